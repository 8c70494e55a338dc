"""A ledger in two shards: schemas of one server, as each shard's worker sees them."""
