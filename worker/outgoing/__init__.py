"""What all HTTP requests of ours share, whoever they go to."""
