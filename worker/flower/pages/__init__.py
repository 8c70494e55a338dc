"""Pages of ours inside Flower."""
