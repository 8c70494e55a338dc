"""Commands for who runs a deployment, one file each."""
