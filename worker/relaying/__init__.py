"""The threads of an I/O worker in which events leave: the relay, and the deliveries of webhooks."""
