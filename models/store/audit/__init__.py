"""The audit: everything is computed again from what was written, and what does not add up is named."""
