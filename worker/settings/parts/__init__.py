"""Settings that belong together, one file a subject."""
