"""What the door says of itself: for programs as OpenAPI, for people as a page."""
