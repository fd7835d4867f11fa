"""The sweep: the one state machine that turns facts into decisions, and its replay."""
