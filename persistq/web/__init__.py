"""The page of ``persistq serve``: all journals of a directory, live; see docs/web.md.

What is here needs the extra ``persistq[web]``, and is imported by that verb alone.
"""
