"""Where people train: callbacks of training libraries, and searches inside scikit-learn.

Each module is imported by the one who uses it and needs its own library only; ``docs/integrations.md`` has them all.
"""
