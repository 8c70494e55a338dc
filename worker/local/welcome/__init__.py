"""What `up` has ready for whoever started it: a wallet to try jobs on, and the settings of another shell."""
