"""From a delivered message to its acknowledgement: let in, gathered into batches, applied, answered."""
