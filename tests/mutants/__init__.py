"""Planted bugs, and the proof that the tests notice them."""
