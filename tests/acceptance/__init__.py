"""Tests of the product from outside."""
