"""How a source is asked: what is done between two answers."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from persistq.codec import ItemCodec
from persistq.errors import KeyNotUsable
from persistq.naturalkeys import NaturalKey
from persistq.pipeline.asking import Answer, Asking
from persistq.pipeline.polling import Polling
from persistq.pipeline.source import Source
from persistq.pipeline.sourcetask import SourceTask


class Recorder:
    """Stands for the producer and for the connection on which a source asks."""

    cursor = None

    def __init__(self, *answers: Answer) -> None:
        self.steps: list[str] = []
        self._answers = iter(answers)

    def put_one(self, *item: Any) -> None:
        """An item is put, and waits for company."""
        self.steps.append("put")

    def flush(self) -> None:
        """All that was put is on disk when this returns."""
        self.steps.append("flush")

    def ask(self, *words: Any, kind: type[Answer]) -> Answer:
        """The broker is asked how many are wanted."""
        self.steps.append("ask")
        return next(self._answers)


def asking(function: Any, seen: Recorder, **polling: Any) -> Asking:
    """Make a conversation in which both sides are played."""
    source = Source("numbers", function, key=polling.pop("key", None))
    task = SourceTask(cast("Any", SimpleNamespace()), source, {}, ItemCodec("json"), key=source.key)
    told = Polling(retries=3, backoff=0.01, backoff_max=0.01, **polling)
    return Asking(task, told, cast("Any", seen), cast("Any", seen), on_item=None)


def test_what_was_yielded_is_on_disk_before_it_asks_again() -> None:
    """So it is when the source is called the next time; also what it yielded before it raised."""

    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        if seen.steps.count("ask") == 2:
            raise ConnectionError

    seen = Recorder(Answer(10, 0), Answer(10, 2), Answer(-1, 2))
    assert not asking(numbers, seen).run()
    assert seen.steps == ["ask", "put", "put", "flush"] * 2 + ["ask"]


def test_an_item_without_a_key_is_not_asked_for_again() -> None:
    """It would come again without one."""
    seen = Recorder(Answer(10, 0))
    with pytest.raises(KeyNotUsable):
        asking(lambda: [{"no": 1}], seen, key=NaturalKey("id", "source")).run()
    assert seen.steps == ["ask", "flush"]
