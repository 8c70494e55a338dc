"""Payment providers against services that are processes of their own."""
