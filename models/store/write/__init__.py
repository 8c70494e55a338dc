"""What the path writes and reads under its locks, one file a noun: a statement a batch, whatever its size."""
