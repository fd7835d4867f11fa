"""``RaydriveSearchCV`` and ``RaydriveGridSearchCV``: scikit-learn's searches with trials, policies and samplers."""
