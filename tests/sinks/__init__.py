"""Databases and files that items are stored in."""
