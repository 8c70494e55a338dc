"""How commands read what is typed and write what they found."""
