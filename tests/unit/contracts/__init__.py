"""The wire: what is understood, refused, and how it is named for ever."""
