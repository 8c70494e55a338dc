"""Statements of accounts, written while their entries are read: for the command line and for pages alike."""
