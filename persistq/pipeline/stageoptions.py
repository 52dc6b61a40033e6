"""The stage that comes of what ``@pipeline.stage(...)`` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from persistq.errors import UsageError
from persistq.pipeline.atonce import concurrency_of, threads_of
from persistq.pipeline.batching import batching_of
from persistq.pipeline.callables import checked, is_asynchronous, name_of
from persistq.pipeline.extras import extras_of
from persistq.pipeline.grouping import grouping_of
from persistq.pipeline.keying import natural_key
from persistq.pipeline.ordering import ordering_of
from persistq.pipeline.pausing import pauses_of
from persistq.pipeline.stage import Stage
from persistq.policy import OPTIONS, StageOptions
from persistq.rate import rate_of

if TYPE_CHECKING:
    from persistq.folder.outbox import FolderSink
    from persistq.sinks import FileSink, Sink


def stage_of(handler: Callable[..., Any], options: StageOptions, *, awaited: bool = False) -> Stage:
    """Return the stage that a decorated handler is.

    Args:
        handler: The handler.
        options: What is said of the stage.
        awaited: Whether it may be asynchronous.

    Raises:
        UsageError: The handler takes no item or unknown parameters, or a call of it would not do
            its work, or an option cannot be understood.
    """
    awaits = awaited and is_asynchronous(handler)
    called = name_of(handler if awaits else checked(handler, "the handler"))
    name = options.get("name") or called
    what = f"stage {name!r}"
    batching, sink = batching_of(what, options), sink_of(options.get("sink"))
    folder = folder_of(what, options)
    grouping = grouping_of(name, options)
    several = batching is not None or grouping is not None
    return Stage(
        name=name,
        was=options.get("was") or "",
        handler=handler,
        extras=extras_of(
            handler,
            several=several,
            stores=sink is not None,
            what=f"the handler {called!r}",
            writes=folder is not None,
        ),
        workers=options.get("workers"),
        stream=options.get("stream") or False,
        said={name: value for name, value in options.items() if name in OPTIONS},
        batching=batching,
        sink=sink or folder,
        pauses=pauses_of(what, options.get("pause")),
        rate=rate_of(what, options.get("rate"), options.get("burst")),
        after=None if options.get("after") is None else names_of(name, "after", options["after"]),
        puts=names_of(name, "puts", options.get("puts") or ()),
        grouping=grouping,
        key=natural_key(what, options.get("key")),
        ordering=ordering_of(name, options),
        concurrency=concurrency_of(name, options, awaits=awaits),
        threads=threads_of(name, options, awaits=awaits),
        keeps=options.get("keep_results") or False,
    )


def names_of(stage: str, option: str, given: Any) -> tuple[str, ...]:
    """Return the names of stages that one has said, as one text or several.

    Raises:
        UsageError: They are no names, or one is there twice.
    """
    names = (given,) if isinstance(given, str) else given
    if (
        not isinstance(names, tuple | list)
        or not all(isinstance(name, str) for name in names)
        or len({*names}) < len(names)
    ):
        raise UsageError(
            f"stage {stage!r}: {option}={given!r} is refused: give the name of a stage, or a tuple "
            "of names"
        )
    return tuple(names)


def folder_of(what: str, options: StageOptions) -> FolderSink | None:
    """Return the folder that a stage writes into, as a sink.

    Raises:
        UsageError: It is none, or does not go with what else is said.
    """
    path, names = options.get("folder"), options.get("names")
    if path is None:
        if names is not None:
            raise UsageError(f"{what}: names= without folder=: it is about files written there")
        return None
    if options.get("sink") is not None:
        raise UsageError(
            f"{what}: folder= does not go with sink=: store in a stage of its own what is no file"
        )
    from persistq.folder.outbox import FolderSink, Outbox

    try:
        outbox = Outbox(path, "unique" if names is None else names)
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from error
    return FolderSink("", str(outbox.path), outbox.names)


def sink_of(given: Any) -> Sink | FileSink | None:
    """Return the sink that a stage has said.

    Raises:
        UsageError: It is none.
    """
    if given is None:
        return None
    from persistq.sinks import FileSink, Sink

    return given if isinstance(given, Sink | FileSink) else Sink(given)
