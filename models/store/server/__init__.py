"""What the database server says of itself, and what would keep jobs from being applied."""
