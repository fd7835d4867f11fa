"""GPUs of a trial: which ones it sees, its share of their memory, and what it uses of them."""
