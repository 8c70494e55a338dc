"""The broker against docs/guarantees.md, by its kind."""
