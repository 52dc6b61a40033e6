"""Whoever is measured: one module for each family, none of which is imported before it plays.

Each says in ``DURABLE`` what survives in it, and in ``PACKAGE`` what has to be installed.
"""
