"""The stages of sources that are folders: what reads rows, and what finishes files.

They are stages like others: what happens at a crash, what is shown, and what is done by hand is
known without a word about folders. One gets the items of the stage that takes the files, each when
that is done with it (see `persistq.broker.passing`), so a handler returns what it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
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
    if not stages:
        return [*sources], []
    shaped = _said(stages)
    placed = [*_placed(sources, shaped)]
    _require_alone(placed)
    found = []
    for source in placed:
        if source.folder is not None:
            source, shaped = _with_folder(source, source.folder, shaped, sample=sample)  # noqa: PLW2901
        found.append(source)
    _require_names(shaped)
    return found, shaped


def _said(stages: Sequence[Stage]) -> list[Stage]:
    """Return stages that say themselves which ones feed them, so that others can come between."""
    befores = [(), *((stage.name,) for stage in stages)]
    return [
        replace(stage, after=before) if stage.after is None else stage
        for stage, before in zip(stages, befores, strict=False)
    ]


def _placed(sources: Sequence[Source], stages: Sequence[Stage]) -> Iterator[Source]:
    """Yield sources that say which stage they feed: the first one, if they say nothing else."""
    known = {stage.name for stage in stages}
    for source in sources:
        if source.to and source.to not in known:
            raise UsageError(f"source {source.name!r} is to feed {source.to!r}, which is no stage")
        yield replace(source, to=source.to or stages[0].name)


def _require_alone(sources: Sequence[Source]) -> None:
    """Refuse that a stage which gets files has another source; rows are items like others."""
    for one, other in combinations(sources, 2):
        folders = [source.folder for source in (one, other) if source.folder is not None]
        if one.to == other.to and not all(folder.rows for folder in folders):
            raise UsageError(
                f"the sources {one.name!r} and {other.name!r} both feed stage {one.to!r}: "
                "give a folder a stage of its own, and say to= at both"
            )


def _require_names(stages: Sequence[Stage]) -> None:
    names = [stage.name for stage in stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(
            f"a folder's source has a stage {twice[0]!r} of its own: give yours another name, or "
            "say name= at the source"
        )


def _with_folder(
    source: Source, folder: FolderSource, stages: list[Stage], *, sample: bool
) -> tuple[Source, list[Stage]]:
    if folder.rows:
        taker = _reading(source)
        stages = [taker, *(_fed_by(taker, one) if one.name == source.to else one for one in stages)]
    else:
        (taker,) = (one for one in stages if one.name == source.to)
        _require_files(source, taker, stages)
    source = replace(source, to=taker.name)
    if sample:
        return looked_at(source), stages
    return source, _with_finishing(source, folder, stages)


def _fed_by(feeder: Stage, stage: Stage) -> Stage:
    return replace(stage, after=(*(stage.after or ()), feeder.name))


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


def _with_finishing(source: Source, folder: FolderSource, stages: Sequence[Stage]) -> list[Stage]:
    last = replace(_finishing(source, folder), after=(source.to,))
    passing = [replace(one, passes=last.name) if one.name == source.to else one for one in stages]
    hooks = [stage for stage in passing if stage.hook]
    return [*(stage for stage in passing if not stage.hook), last, *hooks]


def _finishing(source: Source, folder: FolderSource) -> Stage:
    options: StageOptions = {
        "name": f"{source.name}_done",
        "workers": 1,
        "batch": _TOGETHER,
        "linger": _LINGER_S,
        "max_crashes": _CRASHES,
    }
    return stage_of(Finishing(folder.done), options)
