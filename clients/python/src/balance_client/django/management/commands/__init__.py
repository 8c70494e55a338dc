"""What manage.py gets."""
