"""Anchors: signed, written to a place outside, and compared with the ledger."""
