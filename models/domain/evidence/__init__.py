"""What makes the ledger evidence: chains over all that decides, and anchors that are kept elsewhere."""
