"""The stages of sources that are folders: what reads rows, and what finishes files.

They are stages like others: what happens at a crash, what is shown, and what is done by hand is
known without a word about folders. One gets the items of the stage that takes the files, each when
that is done with it (see `persistq.broker.passing`), so a handler returns what it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from persistq.errors import UsageError
from persistq.pipeline.finishing import Finishing
from persistq.pipeline.foldersource import BatchRows, looked_at
from persistq.pipeline.stageoptions import stage_of

if TYPE_CHECKING:
    from persistq.pipeline.foldersource import FolderSource
    from persistq.pipeline.source import Source
    from persistq.pipeline.stage import Stage
    from persistq.policy import StageOptions

_TOGETHER: Final = 1_000
_LINGER_S: Final = 0.1
_CRASHES: Final = 100
"""What may be done any number of times may be interrupted so often too."""


def with_folders(
    sources: Sequence[Source], stages: Sequence[Stage], *, sample: bool
) -> tuple[list[Source], list[Stage]]:
    """Return sources that know their stages, and stages with those of the folders among them.

    Args:
        sources: The sources.
        stages: The stages of the program, in order.
        sample: Whether nothing may be claimed and finished.

    Raises:
        UsageError: A stage gets files and something else, or says what does not go with files.
    """
    found, shaped = [*sources], _said(stages)
    for number, source in enumerate(sources):
        if source.folder is not None and shaped:
            found[number], shaped = _with_folder(source, source.folder, found, shaped, sample)
    _require_names(shaped)
    return found, shaped


def _require_names(stages: Sequence[Stage]) -> None:
    names = [stage.name for stage in stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(
            f"a folder's source has a stage {twice[0]!r} of its own: give yours another name, or "
            "say name= at the source"
        )


def _said(stages: Sequence[Stage]) -> list[Stage]:
    """Return stages that say themselves which ones feed them, so that others can come between."""
    befores = [(), *((stage.name,) for stage in stages)]
    return [
        replace(stage, after=before) if stage.after is None else stage
        for stage, before in zip(stages, befores, strict=False)
    ]


def _with_folder(
    source: Source, folder: FolderSource, sources: list[Source], stages: list[Stage], sample: bool
) -> tuple[Source, list[Stage]]:
    taker = _taker(source, stages)
    _require_alone(source, taker, sources)
    if folder.rows:
        reading = _reading(source)
        stages = [
            replace(one, after=(*(one.after or ()), reading.name)) if one is taker else one
            for one in stages
        ]
        stages, taker = [reading, *stages], reading
    else:
        _require_files(source, taker, stages)
    if sample:
        return replace(looked_at(source), to=taker.name), stages
    return replace(source, to=taker.name), _with_finishing(source, folder, taker, stages)


def _taker(source: Source, stages: Sequence[Stage]) -> Stage:
    entries = [stage for stage in stages if not stage.after and not stage.hook]
    named = [stage for stage in stages if stage.name == source.to]
    if source.to and not named:
        raise UsageError(f"source {source.name!r} is to feed {source.to!r}, which is no stage")
    return (named or entries or [*stages])[0]


def _require_alone(source: Source, taker: Stage, sources: Sequence[Source]) -> None:
    first = sources[0].to or taker.name
    for other in sources:
        if other is not source and (other.to or first) == taker.name and other.name != source.name:
            raise UsageError(
                f"the sources {source.name!r} and {other.name!r} both feed stage {taker.name!r}: "
                "give a folder a stage of its own, and say to= at both"
            )


def _require_files(source: Source, taker: Stage, stages: Sequence[Stage]) -> None:
    what = f"stage {taker.name!r} gets the files of the folder {source.name!r}"
    if feeders := taker.after or [one.name for one in stages if taker.name in one.puts]:
        raise UsageError(f"{what}, and nothing else: {feeders[0]!r} cannot feed it")
    if taker.key is not None:
        raise UsageError(f"{what}: key= does not go with that, because every file is an item")
    if taker.grouping is not None:
        raise UsageError(f"{what}: say group= there, and not group_by= here")


def _reading(source: Source) -> Stage:
    options: StageOptions = {"name": f"{source.name}_read", "workers": 1}
    return replace(stage_of(BatchRows(), options), after=())


def _with_finishing(
    source: Source, folder: FolderSource, taker: Stage, stages: Sequence[Stage]
) -> list[Stage]:
    options: StageOptions = {
        "name": f"{source.name}_done",
        "workers": 1,
        "batch": _TOGETHER,
        "linger": _LINGER_S,
        "max_crashes": _CRASHES,
    }
    last = replace(stage_of(Finishing(folder.done), options), after=(taker.name,))
    passing = [replace(one, passes=last.name) if one.name == taker.name else one for one in stages]
    hooks = [stage for stage in passing if stage.hook]
    return [*(stage for stage in passing if not stage.hook), last, *hooks]
