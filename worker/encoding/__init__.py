"""Text and JSON of strangers: numbers read exactly, names told from noise, and what is shown made harmless."""
