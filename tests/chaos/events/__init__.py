"""Events of a run: who receives them, and whether all of them came."""
