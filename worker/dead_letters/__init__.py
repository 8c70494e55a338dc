"""Messages that could not become a job: parked, shown, sent again."""
