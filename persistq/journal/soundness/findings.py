"""What was found wrong: one sentence for each kind, however often it occurs."""

from __future__ import annotations


class Findings:
    """Collects contradictions; takes memory for each kind, and not for each case."""

    def __init__(self) -> None:
        self._cases: dict[str, tuple[int, object]] = {}

    def add(self, sentence: str, where: object, count: int = 1) -> None:
        """Note that something is wrong.

        Args:
            sentence: What it is, with ``{}`` for how many there are; the same for each case.
            where: The key of the first case, for whoever looks at it in the file.
            count: How many cases.
        """
        before, first = self._cases.get(sentence, (0, where))
        self._cases[sentence] = before + count, first

    def sentences(self) -> list[str]:
        """Return one sentence for each kind, in the order in which they were found."""
        return [
            sentence.format(f"{count:,}") + ("" if first is None else f" (the first: {first})")
            for sentence, (count, first) in self._cases.items()
        ]
