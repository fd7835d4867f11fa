"""From what a user built to a running driver: checks, packaging, warm start, the dashboard's way."""
