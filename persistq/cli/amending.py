"""Which parked items a command changes, and by whom: a live run's broker, or this process alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import click

from persistq import failpoints
from persistq.cli.failed import compiled, error_of
from persistq.cli.options import (
    item_arguments,
    journal_option,
    json_option,
    load_option,
    name_option,
    stage_option,
)
from persistq.cli.output import note
from persistq.cli.pointing import Names, load_in_words, names_in, pointed, stages_chosen
from persistq.cli.reaching import holder_of, reached
from persistq.errors import JournalBusy, PersistqError, UsageError
from persistq.journal.reader import ItemState

if TYPE_CHECKING:
    from persistq.blocks import Block
    from persistq.client.connection import Connection
    from persistq.items import IdRange
    from persistq.journal.reader import JournalReader
    from persistq.journal.view import JournalView
    from persistq.site.runlock import Holder

_CHANGING_S: Final = 5.0
"""Longest wait for a broker that is just starting or ending."""

_POLL_S: Final = 0.05

Command = TypeVar("Command", bound=Callable[..., Any])


class Hand(Protocol):
    """Who changes parked items; each call is one transaction, on disk when it returns."""

    def retry(self, ids: Sequence[IdRange]) -> int:
        """Put those of these items that are parked back to work; return how many."""

    def discard(self, ids: Sequence[IdRange], reason: str) -> int:
        """Drop those of these items that are parked; return how many."""

    def replace(self, item_id: int, block: Block, reason: str) -> int:
        """Drop a parked item and put another for it; return its id, 0 if it is not parked."""


class Choice(NamedTuple):
    """Parked items that were asked for.

    Attributes:
        view: Their load.
        names: What they are called.
        item_ids: The items, in order.
    """

    view: JournalView
    names: Names
    item_ids: list[int]

    @property
    def load_id(self) -> int:
        """Their load's number."""
        assert self.view.load is not None, "an item has a load"
        return self.view.load.load_id


def choice_options(command: Command) -> Command:
    """Give a command what says which parked items are meant."""
    for option in (
        journal_option,
        json_option,
        name_option,
        load_option,
        click.option("--dry-run", is_flag=True, help="Say how many, show ten, change nothing."),
        click.option("--all", "everything", is_flag=True, help="All parked items of the load."),
        click.option("--error", metavar="REGEX", help="Those whose error contains this."),
        stage_option,
        item_arguments,
    ):
        command = option(command)
    return command


def chosen(
    reader: JournalReader,
    items: Sequence[str],
    *,
    stage: str | None,
    error: str | None,
    everything: bool,
    load: int | None,
) -> Choice:
    """Return the parked items that were asked for.

    Raises:
        UsageError: Nothing says which, or one of them is not parked.
    """
    broad = stage is not None or error is not None or everything
    if bool(items) is broad:
        raise UsageError(
            "say which items: give their names, as in clean:6, or --stage, --error or --all"
        )
    if items:
        return _by_name(reader, items, load)
    view = reader.view(load)
    pattern = compiled(error)
    found = [
        parked.item_id
        for queue in stages_chosen(view, stage)
        if queue.parked
        for parked in reader.parked_errors(queue.queue_id)
        if pattern is None or pattern.search(error_of(parked))
    ]
    return Choice(view, names_in(reader, view), found)


def _by_name(reader: JournalReader, items: Sequence[str], load: int | None) -> Choice:
    points = [pointed(reader, item, load) for item in dict.fromkeys(items)]
    view = points[0].view
    names = names_in(reader, view)
    for typed, point in zip(dict.fromkeys(items), points, strict=True):
        if point.view.load != view.load:
            raise UsageError(f"{typed} is of another load than {items[0]}: one load at a time")
        if point.found.state is not ItemState.PARKED:
            raise UsageError(
                f"{names.of(point.item_id)} is {point.found.state}, and only what is parked as "
                "failed can be changed"
            )
    return Choice(view, names, sorted({point.item_id for point in points}))


def carried_out(choice: Choice, order: Callable[[Hand], int]) -> int:
    """Return what an order has come to: of the broker of a live run, or of this process.

    Args:
        choice: The items.
        order: Gives one order.

    Raises:
        UsageError: A run works on another load of this journal.
        JournalBusy: A run has been starting or ending for some seconds.
        JournalError: It cannot be opened or written.
    """
    deadline = time.monotonic() + _CHANGING_S
    while True:
        try:
            with _hand(choice) as hand:
                return order(hand)
        except JournalBusy:
            # Then nothing is changed. A broker that begins or ends has the journal for a moment.
            if time.monotonic() >= deadline:
                raise
        time.sleep(_POLL_S)


@contextmanager
def _hand(choice: Choice) -> Iterator[Hand]:
    if (holder := holder_of(choice.view.path)) is not None:
        with _live(choice, holder) as hand:
            yield hand
        return
    from persistq.broker.alone import alone
    from persistq.settings import load_settings

    timeout = load_settings().fence_timeout
    with alone(choice.view.path, choice.load_id, fence_timeout=timeout) as hand:
        yield hand


class _Live:
    """Asks the broker of a live run."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _ask(self, make: type[Any], *args: Any) -> int:
        failpoints.point("amending.before_ask")
        answer = int(self._connection.ask(make, *args, kind=int))
        failpoints.point("amending.after_ask")
        return answer

    def retry(self, ids: Sequence[IdRange]) -> int:
        from persistq.wire.messages import Retry

        return self._ask(Retry, [*ids])

    def discard(self, ids: Sequence[IdRange], reason: str) -> int:
        from persistq.wire.messages import Discard

        return self._ask(Discard, [*ids], reason)

    def replace(self, item_id: int, block: Block, reason: str) -> int:
        from persistq.wire.messages import Replace

        return self._ask(Replace, item_id, block, reason)

    def fail(self, reason: str) -> None:
        from persistq.wire.messages import Fail

        self._connection.ask(Fail, reason)


def end_run(choice: Choice, reason: str) -> None:
    """Have a live run on these items' load end unfinished; nothing if there is none."""
    if (holder := holder_of(choice.view.path)) is not None:
        with suppress(PersistqError), _live(choice, holder) as hand:
            hand.fail(reason)


@contextmanager
def _live(choice: Choice, holder: Holder) -> Iterator[_Live]:
    view = choice.view
    with reached(view.name, view.path, holder) as (connection, welcome):
        if welcome.load_id != choice.load_id:
            raise UsageError(
                f"a run works on load {welcome.load_id} of {view.name!r}: wait until it is over "
                f"to change load {choice.load_id}"
            )
        yield _Live(connection)


def introduce(choice: Choice) -> None:
    """Say which journal and load this is about."""
    note(f"{load_in_words(choice.view)}; journal {choice.view.path}")
