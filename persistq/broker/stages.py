"""Whether a program's stages are those of the load that it would carry on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.journal.queuerow import QueueRow
    from persistq.wire.messages import Opening


def renamed_stages(opening: Opening, rows: Sequence[QueueRow]) -> dict[int, str]:
    """Return the new names of stages that were renamed, by the number of their queue.

    Stages may be appended as long as the last one has finished nothing: what it returns was not
    kept, so an item that is done has no output that a further stage could get.

    Args:
        opening: The start.
        rows: The queues of the load, by position.

    Raises:
        UsageError: The stages differ in any other way.
    """
    fits = len(rows) <= len(opening.stages) and all(
        row.name in {stage.name, stage.was}
        for row, stage in zip(rows, opening.stages, strict=False)
    )
    appended = [stage for stage in opening.stages[len(rows) :] if not stage.hook]
    if not fits or (appended and rows and rows[-1].done):
        raise _refused(opening, rows)
    return {
        row.queue_id: stage.name
        for row, stage in zip(rows, opening.stages, strict=False)
        if row.name != stage.name
    }


def require_streaming(opening: Opening, rows: Sequence[QueueRow]) -> None:
    """Require that stages which have streamed what they made of an unfinished item still do.

    Nothing else would know what of it is put already.

    Args:
        opening: The start.
        rows: The queues of these stages.

    Raises:
        UsageError: One does not.
    """
    for row in rows:
        stage = opening.stages[row.position]
        if not stage.stream:
            raise UsageError(
                f"load {row.load_id} in {opening.path} is unfinished and its stage {stage.name!r} "
                "has put a part of what it makes of an item: say @pipeline.stage(stream=True) "
                "until that is done, or begin anew with --fresh (fresh=True)"
            )


def require_natural_keys(opening: Opening, rows: Sequence[QueueRow]) -> None:
    """Require that queues which may get more items have natural keys as those they have.

    Of what was put without a key nobody could tell whether it comes again with one. The source of
    a first stage that is sealed is not called again.

    Args:
        opening: The start.
        rows: The queues of the load, by position.

    Raises:
        UsageError: One has, and has not.
    """
    for row, stage in zip(rows, opening.stages, strict=False):
        over = row.position == 0 and row.sealed_total is not None
        if row.put and not over and row.keyed != stage.keyed:
            had, has = ("with", "without") if row.keyed else ("without", "with")
            raise UsageError(
                f"load {row.load_id} in {opening.path} is unfinished and the items of its stage "
                f"{stage.name!r} were put {had} key=, and this program puts them {has}: restore "
                "that until the load is done, or begin anew with --fresh (fresh=True)"
            )


def _refused(opening: Opening, rows: Sequence[QueueRow]) -> UsageError:
    had, has = [row.name for row in rows], [stage.name for stage in opening.stages]
    place = f"load {rows[0].load_id} in {opening.path} is unfinished and"
    if opening.kind == "queue":
        return UsageError(
            f"{place} belongs to the queue {had[0]!r}, not to {has[0]!r}: "
            "give the file its name back, or begin anew with fresh=True"
        )
    return UsageError(
        f"{place} has the stages {', '.join(had)}; this program has {', '.join(has)}: "
        f"restore the stages{_hint(had, has)}, or begin anew with --fresh (fresh=True)"
    )


def _hint(had: Sequence[str], has: Sequence[str]) -> str:
    """Return how to say that a stage was renamed, if one may have been."""
    gone = [name for name in had if name not in has]
    new = [name for name in has if name not in had]
    if len(had) != len(has) or not gone:
        return ""
    if len(gone) > 1:
        return ', say of each renamed one what it was, with @pipeline.stage(was="...")'
    return f', write @pipeline.stage(was="{gone[0]}") at {new[0]} if it is the same one renamed'
