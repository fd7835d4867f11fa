"""The fork server of a trial actor: forks training processes from warm Python, and guards their trees."""
