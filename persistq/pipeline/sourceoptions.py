"""What ``@pipeline.source(...)`` takes, and the source that comes of it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import UsageError
from persistq.pipeline.callables import checked, innermost, name_of
from persistq.pipeline.foldersource import FOLDER_SOURCE_OPTIONS, FolderSourceOptions
from persistq.pipeline.keying import natural_key, require_flag
from persistq.pipeline.polling import Polling
from persistq.pipeline.source import Source

if TYPE_CHECKING:
    from persistq.naturalkeys import KeyOption


class SourceOptions(FolderSourceOptions, total=False):
    """What ``@pipeline.source(...)`` takes; what is not said, or None, has its default."""

    name: str | None
    """Name of the source; by default the function's."""
    to: str | None
    """The stage that gets its items; by default the first one."""
    max_outstanding: int | None
    """So many items may be outstanding in its stage; then it waits. By default the setting, and
    1,000 with ``poll``: a source is asked for what is missing there."""
    max_outstanding_bytes: int | None
    """The same for their bytes, about."""
    key: KeyOption | None
    """Which items are the same: the name of a field (a key of a dict, or an attribute), or a
    function of an item. The second one with a key is left out and counted, in the whole load;
    without it only what a carried-on load repeats is."""
    once: bool | None
    """Whether keys are skipped that earlier loads of this journal have done, with all that came of
    them; needs ``key``, here or at the stage."""
    poll: bool | None
    """Whether the function is called again and again, with the number of items that are wanted."""
    interval: float | None
    """With ``poll``: seconds to wait after an answer with nothing new, 0.1 by default; they double
    with each further one, up to ``interval_max``."""
    interval_max: float | None
    """With ``poll``: most seconds to wait, 5 by default."""
    requeue_after: float | None
    """With ``poll``: an item that equals one which this source has put less than so many seconds
    ago, in this load, is not put again. Not with ``key``, which puts no item twice in a load."""
    exhausted_after: int | None
    """With ``poll``: after so many answers with nothing new, one after the other, the source has
    come to its end. By default it has none."""
    retries: int | None
    """With ``poll``: how often in a row the function may raise before the load fails. By default
    the setting."""
    backoff: float | None
    """With ``poll``: seconds to wait after it has raised; they double with each further time."""
    backoff_max: float | None
    """With ``poll``: most seconds to wait then."""


SOURCE_OPTIONS: Final = tuple(SourceOptions.__annotations__)
"""The names of what a source may say."""

LIMITS: Final = ("max_outstanding", "max_outstanding_bytes")
"""How much a stage may hold before what feeds it waits, by setting."""


def given(options: SourceOptions) -> dict[str, Any]:
    """Return the options that say something."""
    return {key: value for key, value in options.items() if value is not None}


def source_of(function: Any, options: SourceOptions) -> Source:
    """Return the source that a decorated function is.

    Raises:
        UsageError: A call of it would not yield items, or an option is wrong.
    """
    said = given(options)
    if of_folders := [name for name in FOLDER_SOURCE_OPTIONS if name in said]:
        raise UsageError(f"a source: {of_folders[0]}= is for folder=, which takes no function")
    polls = said.pop("poll", False)
    if not isinstance(polls, bool):
        raise UsageError(f"a source: poll={polls!r} is refused: it should be True or False")
    if not (polls and inspect.iscoroutinefunction(innermost(function))):
        checked(function, "the source", awaited=True)
    name, to = said.pop("name", None) or name_of(function), said.pop("to", "")
    key = natural_key(f"source {name!r}", said.pop("key", None))
    once = require_flag("once", said.pop("once", False))
    if key is not None and "requeue_after" in said:
        raise UsageError(
            f"source {name!r}: requeue_after= does not go with key=: a key is put once in a load"
        )
    most = said.pop("max_outstanding", None) if polls else None
    limits: dict[str, int] = {key: said.pop(key) for key in LIMITS if key in said}
    if not polls and said:
        raise UsageError(f"source {name!r}: {'= and '.join(said)}= without poll=True")
    polling = Polling.of(name, said | ({} if most is None else {"most": most})) if polls else None
    return Source(name, function, limits, to, polling, key, once)
