"""What is kept of a load: the hidden stage that gets what last stages make, and nobody works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import UsageError
from persistq.pipeline.stageoptions import stage_of

if TYPE_CHECKING:
    from persistq.graph import Graph
    from persistq.pipeline.stage import Stage

RESULTS: Final = "results"
"""What the hidden stage is called, also by commands."""


def with_results(stages: Sequence[Stage]) -> list[Stage]:
    """Return stages with the hidden one behind them, if one of them keeps its results.

    It comes before hooks, which are called when all others have come to their end.

    Raises:
        UsageError: A stage has its name.
    """
    keeping = tuple(stage.name for stage in stages if stage.keeps)
    if not keeping:
        return [*stages]
    if any(stage.name == RESULTS for stage in stages):
        raise UsageError(
            f"no stage can be called {RESULTS!r} where keep_results=True is said: results are kept "
            "under that name"
        )
    hidden = replace(stage_of(_nobody, {"name": RESULTS}), after=keeping, results=True)
    hooks = [stage for stage in stages if stage.hook]
    return [*(stage for stage in stages if not stage.hook), hidden, *hooks]


def require_last(stages: Sequence[Stage], graph: Graph) -> None:
    """Require that only stages which feed no other keep their results.

    Raises:
        UsageError: One feeds another.
    """
    for stage in stages:
        others = [name for name in graph.feeds[stage.name] if name != stage.passes]
        if stage.keeps and others != [RESULTS]:
            raise UsageError(
                f"stage {stage.name!r}: keep_results=True is for a stage that feeds no other, and "
                f"this one feeds {others[0]!r}"
            )


def _nobody(result: Any) -> None:
    """Stand for the handler of the hidden stage, which is never called."""
