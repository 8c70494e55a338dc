"""Domain rules: pure, standard library only. No clock, no database, no broker."""
