"""Which queues of a pipeline have natural keys, as its source and its stages say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.errors import UsageError
from persistq.naturalkeys import NaturalKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.pipeline.source import Source
    from persistq.pipeline.stage import Stage


def natural_key(what: str, option: Any) -> NaturalKey | None:
    """Return what an option ``key=`` says; None if it is not given.

    Args:
        what: Whose option it is, for messages.
        option: Its value.

    Raises:
        UsageError: It is neither the name of a field nor a function.
    """
    if option is None:
        return None
    if (isinstance(option, str) and option) or callable(option):
        return NaturalKey(option, what)
    raise UsageError(
        f"{what}: key={option!r} is refused: give the name of a field, or a function of an item"
    )


def require_flag(name: str, value: Any) -> bool:
    """Return an option that is True or False.

    Raises:
        UsageError: It is something else.
    """
    if isinstance(value, bool):
        return value
    raise UsageError(f"a source: {name}={value!r} is refused: it should be True or False")


def keys_of(sources: Sequence[Source], stages: Sequence[Stage]) -> dict[str, NaturalKey]:
    """Return the natural keys of what is put into stages, by stage, where there are any.

    Args:
        sources: The sources, which know their stages.
        stages: The stages.

    Raises:
        UsageError: Source and stage both say what is the same, or sources of a stage say different
            things, or ``once`` is said without; or a source puts again what is there already.
    """
    keys = {stage.name: stage.key for stage in stages if stage.key is not None}
    for stage in dict.fromkeys(source.to for source in sources):
        feeding = [source for source in sources if source.to == stage]
        if (key := _said_by(feeding)) is not None:
            if stage in keys:
                raise UsageError(
                    f"source {feeding[0].name!r} and stage {stage!r} both say key=: say it at one "
                    "of them"
                )
            keys[stage] = key
        if stage in keys:
            _require_no_return(feeding, stage)
        if feeding[0].once and stage not in keys:
            raise UsageError(
                f"source {feeding[0].name!r}: once=True without key=: say what names an item in "
                'every load, as in key="path"'
            )
    return keys


def _require_no_return(sources: Sequence[Source], stage: str) -> None:
    """Refuse that an item is to come again into a stage where each comes once."""
    for source in sources:
        if source.polling is not None and source.polling.requeue_after:
            raise UsageError(
                f"source {source.name!r}: requeue_after= does not go with the key= of stage "
                f"{stage!r}: a key is put once in a load"
            )


def _said_by(sources: Sequence[Source]) -> NaturalKey | None:
    """Return the natural key that the sources of one stage say.

    Raises:
        UsageError: They do not agree.
    """
    first, *others = sources
    for other in others:
        if _options(other) != _options(first):
            raise UsageError(
                f"sources {first.name!r} and {other.name!r} feed stage {first.to!r} and differ in "
                "key= or once=: say key= at the stage, and the same once= at each"
            )
    return first.key


def _options(source: Source) -> tuple[Any, bool]:
    return None if source.key is None else source.key.option, source.once
