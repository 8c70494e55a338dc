"""Payment providers: who charges for auto top-up, and how each is asked."""
