"""What tests of every kind are built from."""
