"""What the database server says of itself, who may do what on it, and what would keep jobs from being applied."""
