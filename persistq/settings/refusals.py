"""What is wrong with what somebody has set: one sentence for each mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from persistq.settings.places import Place
from persistq.settings.settings import PREFIX
from persistq.text.masking import MASK, is_secret, masked_text
from persistq.text.suggestions import NEAR, VERY_NEAR, nearest

_IN_THE_ENVIRONMENT_ALONE: Final = {
    "trust_owner": "may be the stranger's own",
    "host": "other hosts may share",
}
"""Settings of one process and its children, and what is wrong with any other place for them."""


def of_names(place: Place) -> Iterator[str]:
    """Yield a sentence for each name that means nothing in this place."""
    for name in place.said:
        if name not in place.known:
            yield from _of_unknown(place, name)
        elif name in _IN_THE_ENVIRONMENT_ALONE and not place.environment:
            yield (
                f"{name} is not taken from {place.name}, which {_IN_THE_ENVIRONMENT_ALONE[name]}: "
                f"set {PREFIX}{name.upper()} in the environment if you mean it"
            )


def _of_unknown(place: Place, name: str) -> Iterator[str]:
    meant = nearest(name, place.known, VERY_NEAR if place.environment else NEAR)
    if meant or not place.environment:
        near = f"; did you mean {place.spelt(meant)}?" if meant else ""
        yield f"{place.called(name)}: there is no setting of this name{near}"


def of_value(place: Place, name: str, value: Any, reason: ValueError) -> str:
    """Return the sentence on a value that is none."""
    return f"{place.called(name)}{place.joint}{shown(name, value)} is refused: {reason}"


def shown(name: str, value: Any) -> str:
    """Return a refused value as it may be shown; the sentence may end up in a log."""
    secret = is_secret(name) or (_has_names(value) and is_secret(str(value)))
    return MASK if secret else masked_text(repr(value))


def _has_names(value: Any) -> bool:
    if isinstance(value, str):
        return value.lstrip()[:1] in {"{", "["}
    return not isinstance(value, (bool, float, int))
