"""Events by the hundred thousand: what must hold of all of them, and how fast they leave."""
