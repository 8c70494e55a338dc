"""The contracts as documents that programs read: AsyncAPI and JSON Schema, with examples and what each code means."""
