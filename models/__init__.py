"""What is true: domain rules, the contracts on the wire, tables, storage and migrations."""
