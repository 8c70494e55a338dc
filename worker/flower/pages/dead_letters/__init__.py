"""Dead letters, in Flower: one, many, and what is done with them."""
