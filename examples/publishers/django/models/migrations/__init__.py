"""How they came to be."""
