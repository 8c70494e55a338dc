"""The tables as a whole: migrations, the revision that they are at, and who may do what to them."""
