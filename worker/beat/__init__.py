"""Beat: a scheduler that needs no file and no clock that is right, and what workers hear of it."""
