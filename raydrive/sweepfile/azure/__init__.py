"""Keys of Azure ML's sweep files that mean more than their value: environments, and forms of the 2021 preview."""
