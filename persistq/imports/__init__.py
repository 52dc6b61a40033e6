"""Loads that come from other queues: their files are read, and become a load of a journal."""
