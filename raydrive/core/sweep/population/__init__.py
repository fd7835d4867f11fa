"""The population of a sweep."""
