"""What is done with the items of a stage that fail: each option once, with its default and bounds.

`persistq.settings` speaks for all stages, ``@pipeline.stage(...)`` for one, and the broker gets
what came of both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec
from msgspec import Meta

from persistq.fields import Rule, Unit


def _halting(value: Any) -> Any:
    from persistq.halting import halt_rule

    if isinstance(value, str):
        halt_rule(value)
    return value


Seconds = Annotated[float, Unit("seconds")]
Crashes = Annotated[int, Unit("crashes")]
OnError = Literal["park", "stop"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with the items of one stage that fail, or take too long, and by whom."""

    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="How often an item whose handler raised is tried again before it is "
            "parked. A stage can set its own. Crashes are counted apart, see `max_crashes`.",
        ),
    ] = 0
    backoff: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=86_400,
            description="Wait before an item's first retry; it doubles with each further one, up "
            "to `backoff_max`. Other items go on meanwhile.",
        ),
    ] = 1.0
    backoff_max: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=604_800,
            description="Longest wait before a retry; it also caps `backoff`.",
        ),
    ] = 300.0
    max_crashes: Annotated[
        Crashes,
        Meta(
            ge=1,
            le=1_000,
            description="An item whose worker died this often while running it is parked. 1 never "
            "runs such an item again; more helps where workers are killed for reasons of their "
            "own, such as a machine short of memory.",
        ),
    ] = 2
    on_error: Annotated[
        OnError,
        Meta(
            description="What happens when an item is parked. `park` goes on with the others, and "
            "the run ends with exit code 6; `stop` ends the load with FAILED and leaves the rest "
            "outstanding.",
        ),
    ] = "park"
    timeout: Annotated[
        Annotated[Seconds, Meta(gt=0, le=7 * 86_400)] | None,
        Meta(
            description="How long one attempt at an item may take. Its worker is killed then, from "
            "outside and whatever it is doing, and the item counts as one that killed its worker. "
            "Unset means no limit. A stage can set its own; a plain queue has none but its own.",
        ),
    ] = None
    halt: Annotated[
        str,
        Rule(_halting),
        Meta(
            description="When to end the load early with FAILED, in the words of GNU parallel: "
            "`soon,fail=3` after three parked items, `now,fail=5%` when that part of the finished "
            "items (and at least three) failed; `soon` lets items in flight finish, `now` does "
            "not; `success` and `done` count the others. The work stays in the journal. A stage "
            "can set its own.",
        ),
    ] = "never"
    max_items_per_worker: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Unit("items"),
        Meta(
            description="After so many items a worker process ends in good order and another one "
            "takes its place: for handlers, or libraries of theirs, that leak. What it was handed "
            "ahead goes to others, and no item is blamed. A stage can set its own.",
        ),
    ] = None
    max_rss_mb: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Unit("megabytes"),
        Meta(
            description="The same, once a worker takes so much memory (its resident set). It is "
            "looked at between items, so one item may take more. Give more than a worker takes "
            "that has done nothing yet: with less, each does one item. Where the system does not "
            "tell (macOS), the most that it ever took counts.",
        ),
    ] = None
    nice: Annotated[
        int,
        Meta(
            ge=0,
            le=19,
            description="By how much workers yield to other processes, as the command `nice` "
            "has it: 19 works only where nobody else would.",
        ),
    ] = 0


class Batching(msgspec.Struct, frozen=True, kw_only=True):
    """How a stage's handler gets its items: in lists of so many."""

    batch: Annotated[int, Meta(ge=1, le=100_000)]
    """Most items of one call."""
    linger: Annotated[Seconds, Meta(ge=0, le=86_400)] = 1.0
    """How long the first item of a batch that is not full waits for others."""
    batch_bytes: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 16 << 20
    """Most bytes of one call, as they are stored, give or take a block; one item may have more."""


class StageOptions(TypedDict, total=False):
    """What ``@pipeline.stage(...)`` takes; what is not said, or None, is taken from the settings.

    ``docs/settings.md`` says what the options of its `Policy` mean.
    """

    name: str | None
    """Name of the stage; by default the handler's, or its class's if it is an object."""
    was: str | None
    """The name it had before. An unfinished load that knows it by that name is carried on, and
    knows it by the new one from then on; leave it there as long as you like."""
    workers: int | None
    """Processes; by default the pipeline's."""
    retries: int | None
    """Further attempts at an item after the first one raised."""
    backoff: float | None
    """Seconds before the first retry; they double with each."""
    backoff_max: float | None
    """Most seconds before a retry."""
    max_crashes: int | None
    """An item whose worker died this often is parked."""
    on_error: OnError | None
    """``park`` a failed item and go on, or ``stop`` the load with FAILED."""
    timeout: float | None
    """Seconds that one attempt at an item may take. Its worker is killed then, from outside, and
    the item is treated like one that killed its worker."""
    halt: str | None
    """A rule that ends the load with FAILED, like ``soon,fail=3`` or ``now,fail=5%``; see
    `persistq.halting`."""
    max_items_per_worker: int | None
    """A worker process is replaced after so many items."""
    max_rss_mb: int | None
    """A worker process is replaced once it takes so many megabytes of memory."""
    nice: int | None
    """By how much its workers yield to other processes, 0 to 19."""
    stream: bool | None
    """Whether what the handler yields goes on to the next stage at once, and not only when its item
    is done. So that stage may see rows of an item that fails later. If the item is tried again,
    what it has put absorbs what it puts: each row goes on once as long as the handler repeats
    itself."""
    batch: int | None
    """The handler gets a list of so many items at most, and acknowledges them together. What is
    there is handed over when that many are, when the first of them has waited ``linger`` seconds
    (1 by default), when they have ``batch_bytes`` (16 MiB by default), or when nothing more will
    come."""
    linger: float | None
    """Seconds that the first item of a batch waits for others."""
    batch_bytes: int | None
    """Most bytes of a batch, about."""
    sink: Any
    """Where the handler stores its items, each once: a URL as SQLAlchemy takes it, a function that
    returns an engine or a connection, or a `persistq.sinks.Sink` or `FileSink`. The handler's
    parameter ``conn`` is a connection within a transaction that persistq commits."""
    folder: str | os.PathLike[str] | None
    """The directory that the handler writes files into, through its parameter ``out``: a
    `persistq.Outbox`. Each appears there once, when its item is done."""
    names: str | None
    """With ``folder``: whether file names are ``unique``, by the item's key in them (the default),
    or ``mine``: as the handler gives them."""
    group_by: Any
    """What tells to which group an item belongs: a function of the item, or the name of a field.
    The handler gets the list of a group's items when the group is complete, and they are done, or
    fail, together. Give one of ``group_size``, ``members`` and ``marker`` with it."""
    group_size: Any
    """How many items a group has: a number, or a function or field that tells it of an item."""
    members: Any
    """A function or field that tells of an item which members its group has, as a set or list; the
    group is complete when each is there. With ``member``."""
    member: Any
    """A function or field that tells which of these members an item is."""
    marker: Any
    """A function or field that tells of an item whether it completes its group."""
    after: str | tuple[str, ...] | None
    """The stages, defined before, that feed this one; by default the one before it, and the source
    for the first. A stage that feeds several yields `persistq.To`, so that it is known which one
    gets an item."""
    puts: str | tuple[str, ...] | None
    """Stages before this one that lead to it, or itself, into which the handler may put, with
    `Pipeline.put` or by yielding `persistq.To`: to crawl, or to ask for the next page."""
    concurrency: int | None
    """How many items a handler that is ``async def`` works on at the same time in each process,
    from 1 (the default) to 1,000. An item begins as soon as another one has ended."""
    threads: int | None
    """How many threads each process has for a handler that blocks, from 1 to 1,000: so many items
    are worked on at the same time. By default there are none, and one item is."""
    pause: Mapping[type[BaseException], float | str] | None
    """Errors of the handler for which no item is to blame, and how long the stage stops for each,
    as in ``{ConnectionError: "30s"}``. For the items that have met one no attempt is counted, and
    none is parked. After that time one item is tried, and when it is done the others follow."""
    key: str | Callable[[Any], Any] | None
    """Which of the items that are put into this stage are the same: the name of a field (a key of a
    dict, or an attribute), or a function of an item. In a load the second one with a key is dropped
    and counted, whatever it was made of."""
    priority: str | Callable[[Any], Any] | None
    """The class of an item, 0 to 9: a function of it, or the name of a field. Nothing of a class is
    handed out while a higher one has something to hand out."""
    order: str | Callable[[Any], Any] | None
    """A number of an item: a function of it, or the name of a field. The items with the largest are
    handed out first, within their class if there are such; the smallest are with ``-``."""
    keep_results: bool | None
    """Whether what the handler of a last stage returns or yields is kept in the journal, for
    `Pipeline.results`."""
    rate: str | None
    """How often the handler may be called, in all workers together and over all runs, as in
    ``"20/s"``, ``"600/min"`` or ``"5/h"``. Repeated attempts count; of a batch its call does."""
    burst: int | None
    """How many of these calls may be made at once after a time without any; by default 1."""


class HookOptions(TypedDict, total=False):
    """What ``@pipeline.on_settled(...)`` and ``on_failed`` take: the same as for a stage."""

    retries: int | None
    backoff: float | None
    backoff_max: float | None
    max_crashes: int | None
    timeout: float | None


OPTIONS: Final = Policy.__struct_fields__
"""The names of the options of a policy."""

BATCH_OPTIONS: Final = Batching.__struct_fields__
"""The names of what a stage may say of its batches."""

HOOK_OPTIONS: Final = tuple(HookOptions.__annotations__)
"""The names of what a hook may say."""

STAGE_OPTIONS: Final = tuple(StageOptions.__annotations__)
"""The names of what a stage may say."""
