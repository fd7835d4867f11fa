"""How an active run is changed: by its driver, through a dashboard, or in its record."""
