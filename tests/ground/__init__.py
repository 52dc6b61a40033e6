"""Loads on bad ground: full, failing and read-only disks, damaged files, foreign hands."""
