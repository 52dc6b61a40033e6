"""Processes of one test process, which die without a chance to tidy up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pytest

from persistq import failpoints
from persistq.folder import heartbeat, owner, producer, queue, renames
from persistq.folder.queue import FolderQueue
from persistq.peer import Peer

T = TypeVar("T")

HOST: Final = "here/1"
CHANGING: Final = ("rename", "unlink", "link", "mkdir", "rmdir")
"""What somebody who is dead does no more, although Python goes through its `finally`."""


class Died(BaseException):
    """A process dies here."""


class Mortals:
    """Says who acts, and lets them die at a fail-point.

    Attributes:
        dead: The numbers of processes that have died.
    """

    def __init__(self) -> None:
        self.dead: set[int] = set()
        self._acting = 0
        self._left = 0
        self._is_dead = False

    @contextmanager
    def installed(self, *, links: bool = False) -> Iterator[None]:
        """Have the code of folders believe in them."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (owner, producer):
                patch.setattr(module, "this_process", self._me)
            patch.setattr(owner, "has_ended", lambda peer: peer.pid in self.dead)
            patch.setattr(heartbeat.heart, "add", lambda card, pulse: None)
            patch.setattr(failpoints, "point", self._reach)
            patch.setattr(os, "fsync", lambda file: None)
            for name in CHANGING:
                patch.setattr(os, name, self._while_alive(getattr(os, name)))
            rename = _refuse if links else renames._rename
            patch.setattr(renames, "_rename", self._while_alive(rename))
            yield

    def act(self, number: int, dies_after: int, do: Callable[[], T]) -> T:
        """Do something as a process, which dies at so many fail-points, if it comes to as many.

        Raises:
            Died: It has.
        """
        self._acting, self._left = number, dies_after
        try:
            return do()
        except Died:
            self.dead.add(number)
            raise
        finally:
            self._acting, self._left, self._is_dead = 0, 0, False

    def bury(self, number: int, folder: FolderQueue[Any]) -> None:
        """Have a process be dead, and its object with it."""
        self.dead.add(number)
        queue._open.discard(folder)
        if folder._finalizer is not None:
            folder._finalizer.cancel()

    def _me(self) -> Peer:
        return Peer(HOST, self._acting, self._acting, "node")

    def _reach(self, name: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._is_dead = True
            raise Died

    def _while_alive(self, change: Callable[..., T]) -> Callable[..., T]:
        def changing(*args: Any, **options: Any) -> T:
            if self._is_dead:
                raise Died
            return change(*args, **options)

        return changing


def _refuse(source: Any, target: Any) -> None:
    raise renames.CannotRefuse(22, "as on NFS")
