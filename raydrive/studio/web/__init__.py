"""The studio's pages and server, and the report as one file."""
