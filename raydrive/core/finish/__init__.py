"""When a run ends before its trials are used up: targets, budgets, and what more trials could still gain."""
