"""The HTTP door from outside: real processes, real requests."""
