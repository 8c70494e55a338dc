"""Orders."""

from django.db import models


class Order(models.Model):
    """What somebody has bought."""

    number = models.CharField(max_length=20, unique=True)
    user_id = models.BigIntegerField()
    price_kopeks = models.BigIntegerField()
