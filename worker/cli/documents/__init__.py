"""Commands that write documents: the contracts, the settings and the commands themselves."""
