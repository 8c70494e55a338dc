"""The tables as a whole: migrations, and the revision that they are at."""
