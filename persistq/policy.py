"""What is done with the items of a stage that fail: each option once, with its default and bounds.

`persistq.settings` speaks for all stages, ``@pipeline.stage(...)`` for one, and the broker gets
what came of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict, get_args

import msgspec
from msgspec import Meta

from persistq.errors import UsageError


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts; shown beside the default in the documentation."""

    name: str


Seconds = Annotated[float, Unit("seconds")]
Crashes = Annotated[int, Unit("crashes")]
OnError = Literal["park", "stop"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with the items of one stage that fail, or take too long."""

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
            "Unset means no limit. A stage can set its own.",
        ),
    ] = None
    halt: Annotated[
        str,
        Meta(
            description="When to end the load early with FAILED, in the words of GNU parallel: "
            "`soon,fail=3` after three parked items, `now,fail=5%` when that part of the finished "
            "items (and at least three) failed; `soon` lets items in flight finish, `now` does "
            "not; `success` and `done` count the others. The work stays in the journal. A stage "
            "can set its own.",
        ),
    ] = "never"


class Batching(msgspec.Struct, frozen=True, kw_only=True):
    """How a stage's handler gets its items: in lists of so many."""

    batch: Annotated[int, Meta(ge=1, le=100_000)]
    """Most items of one call."""
    linger: Annotated[Seconds, Meta(ge=0, le=86_400)] = 1.0
    """How long the first item of a batch that is not full waits for others."""
    batch_bytes: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 16 << 20
    """Most bytes of one call, as they are stored, give or take a block; one item may have more."""


def batching_of(what: str, given: Mapping[str, Any]) -> Batching | None:
    """Return how a stage gets its items; None if one by one.

    Args:
        what: What they are options of, for the message.
        given: Options by name, as far as they are given.

    Raises:
        UsageError: A value is wrong, or says how batches are made where there are none.
    """
    said = {name: given.get(name) for name in BATCH_OPTIONS if given.get(name) is not None}
    if not said:
        return None
    if "batch" not in said:
        raise UsageError(f"{what}: {'= and '.join(said)}= without batch=: say how many items")
    for name, value in said.items():
        try:
            msgspec.convert({"batch": 1, name: value}, Batching)
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at ")[0].replace("Expected", "it should be")
            raise UsageError(f"{what}: {name}={value!r} is refused: {reason}") from error
    return msgspec.convert(said, Batching)


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


class Option(NamedTuple):
    """One option of a `Policy`.

    Attributes:
        default: What holds where nobody says anything.
        bounds: ``ge``, ``gt`` and ``le``, as far as there are any.
        description: What it means and what it trades.
    """

    default: Any
    bounds: Mapping[str, float]
    description: str


def _options() -> Iterator[tuple[str, Option]]:
    for field in msgspec.structs.fields(Policy):
        bounds: dict[str, float] = {}
        description = ""
        for meta in _metas(field.type):
            said = {"ge": meta.ge, "gt": meta.gt, "le": meta.le}
            bounds |= {name: value for name, value in said.items() if value is not None}
            description = meta.description or description
        yield field.name, Option(field.default, bounds, description)


def _metas(annotation: Any) -> Iterator[Meta]:
    """Yield what an annotation says of its values, also of those that may be None."""
    yield from (mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Meta))
    for part in get_args(annotation)[:1]:
        yield from _metas(part)


OPTIONS: Final = dict(_options())
"""The options of a policy, by name."""

BATCH_OPTIONS: Final = Batching.__struct_fields__
"""The names of what a stage may say of its batches."""

STAGE_OPTIONS: Final = tuple(StageOptions.__annotations__)
"""The names of what a stage may say."""
