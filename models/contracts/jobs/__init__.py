"""What a publisher may ask for and the body that it is answered with, one file a family of jobs."""
