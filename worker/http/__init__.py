"""The HTTP door: the endpoints of the source APIs, each a job that is published and waited for."""
