"""Crash tests: what is promised, checked with evidence that lies outside the journal."""
