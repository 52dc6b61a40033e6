"""Behaviours of the page for live loads."""
