"""What can go wrong, and how it is put right again."""
