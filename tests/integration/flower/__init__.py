"""What pages in Flower read with, and what that costs."""
