"""Trying some parked items before the rest, and looking how they end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from persistq.cli.amending import carried_out, end_run
from persistq.cli.output import Column, Failing, on_terminal, write_fields, write_table
from persistq.cli.resuming import begin_again
from persistq.cli.show import error_in_words
from persistq.cli.standing import standing_of
from persistq.items import ranges_of
from persistq.journal.reader import ItemState
from persistq.site.finding import site_of
from persistq.text.masking import masked_text
from persistq.text.streams import write

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence

    from persistq.cli.amending import Choice
    from persistq.journal.reader import JournaledItem, JournalReader

_POLL_S: Final = 0.02
_COLUMNS: Final = (Column("tried"), Column("now"), Column("", wrap=True))
_TAIL_BYTES: Final = 4000


class Tried(NamedTuple):
    """One item of a sample, and how it has ended.

    Attributes:
        found: The item, and where it is now.
        text: The error it failed with again, or why it was dropped.
    """

    found: JournaledItem
    text: str

    @property
    def well(self) -> bool:
        """Whether it needs no more work."""
        return self.found.state in {ItemState.DONE, ItemState.DROPPED}


def spread(item_ids: Sequence[int], count: int) -> list[int]:
    """Return so many items, taken evenly from first to last."""
    count = min(count, len(item_ids))
    return [item_ids[position * len(item_ids) // count] for position in range(count)]


def try_out(reader: JournalReader, choice: Choice, item_ids: Sequence[int]) -> list[Tried]:
    """Retry items, and wait until each of them has ended, or the run.

    A run that is at work takes them. Otherwise one is started, as ``resume`` does, and ended when
    these items have ended.

    Crash: the items are outstanding, as after any other retry; a run that was started goes on.

    Raises:
        UsageError: No run is at work, and none can be started.
    """
    carried_out(choice, lambda hand: hand.retry(ranges_of(item_ids)))
    view = reader.view(choice.load_id)
    if standing_of(view).running:
        _await(reader, item_ids, over=lambda: not site_of(view.path).is_held())
    else:
        with _own_run(choice, len(item_ids)) as child:
            _await(reader, item_ids, over=lambda: child.poll() is not None)
    return [_tried(reader, item_id) for item_id in item_ids]


def show_tried(choice: Choice, tried: Sequence[Tried]) -> None:
    """Show how the items of a sample have ended."""
    rows = [(choice.names.of(it.found.item_id), _ending(it), it.text) for it in tried]
    if on_terminal():
        write_table(_COLUMNS, rows)
    else:
        write_fields(rows)


def tried_object(choice: Choice, tried: Tried) -> dict[str, Any]:
    """Return how an item of a sample has ended, for programs."""
    failed = tried.found.state is ItemState.PARKED
    return {
        "name": choice.names.full(tried.found.item_id),
        "id": tried.found.item_id,
        "state": tried.found.state.value,
        "error": tried.text if failed else None,
    }


def _ending(tried: Tried) -> str:
    if tried.found.state is ItemState.PARKED:
        return Failing("failed again")
    return tried.found.state.value


def _tried(reader: JournalReader, item_id: int) -> Tried:
    found = next(reader.items(item_id, item_id))
    if found.state is ItemState.PARKED:
        return Tried(found, error_in_words(reader.attempts(item_id)[-1].failure))
    return Tried(found, masked_text(found.reason))


def _await(reader: JournalReader, item_ids: Sequence[int], over: Callable[[], bool]) -> None:
    """Wait until items have ended, or nobody works on them any more."""
    left = [*item_ids]
    while left:
        last = over()
        left = [it for it in left if _is_outstanding(reader, it)]
        if last:
            return
        time.sleep(_POLL_S)


def _is_outstanding(reader: JournalReader, item_id: int) -> bool:
    return next(reader.items(item_id, item_id)).state is ItemState.OUTSTANDING


@contextmanager
def _own_run(choice: Choice, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the load's program until the end of the ``with`` block; what it says is for its errors.

    It is told to end by its broker, so what it has in hand is finished.
    """
    with TemporaryFile() as said:
        child = begin_again(choice.view, Path(choice.view.path).parent, said)
        try:
            yield child
        finally:
            went_by_itself = child.poll() is not None
            end_run(choice, f"a sample of {count} was tried")
            child.wait()
            if went_by_itself and child.returncode not in {0, 6}:
                _repeat_end(said)


def _repeat_end(said: IO[bytes]) -> None:
    import sys

    size = said.seek(0, 2)
    said.seek(max(0, size - _TAIL_BYTES))
    write(sys.stderr, said.read().decode("utf-8", "backslashreplace"))
