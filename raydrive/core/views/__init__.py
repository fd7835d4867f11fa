"""What is shown of a run: status, summary, chart axes, importance, what early termination saved."""
