"""Journals on disk: what they keep, and whether they agree with themselves."""
