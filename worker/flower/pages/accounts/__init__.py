"""Accounts: looked for, one of them with its course, its grants and its entries, its statement, an entry undone."""
