"""Queues that programs use themselves: `JoinableQueue`'s interface over a journal."""

from persistq.queues.persistent import PersistentQueue

__all__ = ["PersistentQueue"]
