"""How a run is changed while it goes on: by its driver, through a dashboard, or in its record."""
