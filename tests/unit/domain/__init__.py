"""The pure domain, by tables of cases."""
