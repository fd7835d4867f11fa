"""Rules that end a run before it has used all its trials: targets, budgets, and the gain expected of further trials."""
