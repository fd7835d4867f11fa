"""How a run is changed while it continues: by its driver, through a dashboard, or in its record."""
