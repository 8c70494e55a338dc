"""Decisions about who is told what: levels of accounts, endpoints of webhooks."""
