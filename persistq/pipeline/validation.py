"""Which options of a stage go together, and what each of them may be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from persistq.errors import UsageError
from persistq.pipeline.atonce import require_one_by_one
from persistq.pipeline.ordering import require_alone

if TYPE_CHECKING:
    from persistq.pipeline.stage import Stage


def validated(stage: Stage) -> Stage:
    """Return a stage with options that the broker and the supervisor can rely on.

    Raises:
        UsageError: An option is wrong, or does not go with another one.
    """
    _require_workers(stage)
    _require_flags(stage)
    _require_stream_alone(stage)
    _require_one_call(stage)
    _require_whole_groups(stage)
    if stage.ordering is not None:
        require_alone(stage.name, batch=stage.batching, group_by=stage.grouping)
    require_one_by_one(stage)
    return _bounded(stage)


def _require_workers(stage: Stage) -> None:
    if stage.workers == 0:
        raise UsageError(
            f"stage {stage.name!r}: workers=0 is refused: it would wait for ever; "
            "Pipeline(workers=0) runs all stages inline"
        )


def _require_flags(stage: Stage) -> None:
    for option, flag in (("stream", stage.stream), ("keep_results", stage.keeps)):
        if not isinstance(flag, bool):
            raise UsageError(
                f"stage {stage.name!r}: {option}={flag!r} is refused: it should be True or False"
            )


def _require_stream_alone(stage: Stage) -> None:
    """Refuse to let go on at once what belongs to items that are done together."""
    if stage.stream and (stage.batching is not None or stage.sink is not None):
        option, done = (stage.stored_by, "stored") if stage.batching is None else ("batch=", "done")
        raise UsageError(
            f"stage {stage.name!r}: stream=True does not go with {option}: what is made of an "
            f"item goes on when it is {done}"
        )


def _require_one_call(stage: Stage) -> None:
    """Refuse to count the calls of a handler that is called again for the same items."""
    if stage.rate is not None and stage.sink is not None:
        raise UsageError(
            f"stage {stage.name!r}: rate= does not go with {stage.stored_by}, which may call its "
            "handler again: make the calls in a stage before it"
        )


def _require_whole_groups(stage: Stage) -> None:
    alike = {"batch=": stage.batching, "stream=": stage.stream, stage.stored_by: stage.sink}
    if stage.grouping is not None and (other := [name for name in alike if alike[name]]):
        raise UsageError(
            f"stage {stage.name!r}: group_by= does not go with {other[0]}: a group is done, or "
            "fails, as a whole"
        )


def _bounded(stage: Stage) -> Stage:
    """Return a stage whose numbers are within the bounds of the settings of the same names."""
    from persistq.settings import options_of

    said = options_of(f"stage {stage.name!r}", workers=stage.workers, **stage.said)
    return replace(stage, workers=said.pop("workers", None), said=said)
