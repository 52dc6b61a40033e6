"""What a handler learns about its item beside its value."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from persistq.errors import UsageError
from persistq.leases import extension_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from persistq.pipeline.checkpoints import Checkpoints


@dataclass(frozen=True, slots=True)
class ItemInfo:
    """What a handler learns about its item through a parameter named ``item``.

    The handler of a batch gets a list of them, one for each item, through one named ``items``.

    Attributes:
        id: The item's id, by which commands name it. Every journal counts anew, so never store it
            as a key.
        attempt: 1 at the first attempt.
        stage: The stage's name.
        key: Names this item and no other, in any journal, and is the same at every attempt and in
            every run: a key for what the handler stores. At most 52 ASCII characters.
    """

    id: int
    attempt: int
    stage: str
    key: str
    _checkpoints: Checkpoints | None = field(default=None, repr=False, compare=False)
    _tried: bool = field(default=False, repr=False, compare=False)
    _extends: Callable[[int, float], None] | None = field(default=None, repr=False, compare=False)

    def checkpoint(self, value: Any) -> None:
        """Record how far this attempt has come; the value is on disk when this returns.

        It takes the place of the one before, and is kept until the item is done or dropped: the
        next attempt, also in another run, finds it in `last_checkpoint`. Each one costs a sync of
        the disk, so make one for each second or so of work.

        Crash: this value is the last one, or that before. What the handler did after it is done
        again.

        Args:
            value: Anything that can be an item; None says that nothing is done yet.

        Raises:
            ItemNotStorable: It cannot be stored.
            UsageError: This object was made by hand, and belongs to no run.
        """
        self._recorded.record(self.id, value)

    @property
    def last_checkpoint(self) -> Any:
        """What `checkpoint` recorded last for this item, in any attempt; None if nothing was.

        Raises:
            ItemNotReadable: It cannot be read in this process.
            UsageError: This object was made by hand, and belongs to no run.
        """
        return self._recorded.last(self.id)

    @property
    def _recorded(self) -> Checkpoints:
        if self._checkpoints is None:
            raise UsageError("this item belongs to no run, so it has no checkpoints")
        return self._checkpoints

    def extend(self, seconds: float | str) -> None:
        """Ask for more time for this attempt, beyond the stage's ``timeout``.

        The attempt is not ended before so many seconds from now have passed. Said again it is asked
        for anew; it never shortens what is allowed anyway. Of a batch, or a group, it is the whole
        call that gets more time, for any of its items. The next attempt has the plain limit again.
        Without a limit it changes nothing.

        Example:
            >>> def load(path, item):                                   # doctest: +SKIP
            ...     for part in parts(path):
            ...         item.extend("5min"); store(part)

        Crash: nothing is written; who is dead needs no time.

        Args:
            seconds: Seconds from now, or a text like ``"5min"``; a day at most.

        Raises:
            UsageError: It is no length of time, 0, or more than a day.
        """
        until = time.monotonic() + extension_of(seconds)
        if self._extends is not None:
            self._extends(self.id, until)

    def transaction(
        self, connection: Any, *, schema: str | None = None
    ) -> AbstractContextManager[bool]:
        """Begin a transaction on the handler's own connection, with a receipt of this item in it.

        ``with item.transaction(connection) as fresh:`` gives False if the item is stored already;
        otherwise store it, and the block commits both at its end, or rolls back if it raises. The
        receipt stays until `persistq sink purge` deletes it. In a sample all is rolled back.

        Crash: both are committed, or nothing.

        Args:
            connection: A `psycopg.Connection` or a `sqlite3.Connection`, in no transaction.
            schema: Where the table `persistq_receipt` is; None leaves that to the connection.

        Raises:
            UsageError: It is none of the two, is in a transaction, or the table cannot be made.
            TransactionEnded: The block has committed or rolled back by itself.
            TransactionFailed: An error within it was caught, and nothing can be committed.
        """
        from persistq.sinks.own import transaction

        return transaction(connection, self.key, schema, tried=self._tried)
