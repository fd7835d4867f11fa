"""Ray clusters: connecting, resources, starting one on this machine, reaching one through its dashboard."""
