"""What a decision is made from, and what it consists of: commands, and the context of a batch."""
