"""The wire: what a publisher may send and what it is answered, one file a profile of the account."""
