"""``raydrive top``: runs, trials, curves and logs in a terminal."""
