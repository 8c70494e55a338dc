"""The demo: what it sends, and the answers that it must get."""
