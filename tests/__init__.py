"""The tests: unit, property, integration and acceptance, marked by their folder."""
