"""What there is to say of things, in words and facts: on a terminal and on a page alike."""
