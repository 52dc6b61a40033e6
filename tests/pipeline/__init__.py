"""Behaviours of pipelines, seen through real runs."""
