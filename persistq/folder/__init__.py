"""Directories as queues: a file is an item, a rename takes it. No broker and no database."""

from persistq.folder.queue import FolderQueue

__all__ = ["FolderQueue"]
