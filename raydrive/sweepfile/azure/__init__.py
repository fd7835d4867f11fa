"""Forms of Azure ML's sweep files that are read as others."""
