"""Who publishes, with which secrets, how much at once, and what they may ask to be sent on."""
