"""Label Studio of a laptop: its own environment, its settings, its processes."""
