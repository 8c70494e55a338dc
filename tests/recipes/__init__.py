"""Recipes of examples/publishers, each in a virtual environment that has what the recipe says and nothing else."""
