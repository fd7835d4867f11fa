"""One trial on several nodes, or in several processes of a node."""
