"""An option that does not exist is answered with the nearest one that does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from persistq import PersistentQueue, Pipeline, UsageError
from persistq.text.suggestions import suggestion


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: Pipeline("demo", worker=3),  # type: ignore[call-arg]
            "Pipeline has no option 'worker'; did you mean workers?",
        ),
        (
            lambda: Pipeline("demo").stage(retrys=3),  # type: ignore[call-overload]
            "a stage has no option 'retrys'; did you mean retries?",
        ),
        (
            lambda: PersistentQueue("demo", maxsise=3),  # type: ignore[call-arg]
            "PersistentQueue has no option 'maxsise'; did you mean maxsize?",
        ),
        (
            lambda: PersistentQueue("demo", colour=3),  # type: ignore[call-arg]
            "PersistentQueue has no option 'colour'",
        ),
        (
            lambda: Pipeline("demo").run(worker=3),
            "argument worker: there is no setting of this name; did you mean workers?",
        ),
    ],
)
def test_a_wrong_option_is_refused(call: Callable[[], object], sentence: str) -> None:
    """In one sentence, before anything is opened."""
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == sentence


def test_a_wrong_codec_is_refused_where_it_is_given() -> None:
    """And not when the load has begun."""
    with pytest.raises(UsageError, match="codec 'jsn' is unknown"):
        Pipeline("demo", codec="jsn")  # type: ignore[arg-type]


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    """A wrong guess is worse than none."""
    assert suggestion("colour", ["workers", "retries"]) == ""
