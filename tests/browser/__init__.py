"""Pages of ours in Flower, as a browser shows them."""
