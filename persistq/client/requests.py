"""Numbered requests, and the answers that have come."""

from __future__ import annotations

from typing import Any

from persistq.wire.messages import Answer


class Requests:
    """Gives requests their numbers, and keeps answers for those who wait for them."""

    def __init__(self) -> None:
        self._last = 0
        self._answers: dict[int, Any] = {}

    def number(self) -> int:
        """Return the number of the next request; what answers an earlier one is still kept."""
        self._last += 1
        return self._last

    def heed(self, answer: Answer) -> None:
        """Keep an answer."""
        self._answers[answer.seq] = answer.value

    def answered(self, number: int) -> bool:
        """Return whether the request with this number has been answered."""
        return number in self._answers

    def answer_to(self, number: int) -> Any:
        """Return an answer that has come, and forget it."""
        return self._answers.pop(number)
