"""Behaviours of the command line."""
