"""What a scenario is made of: contenders that do the same work, and claims about their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from places import Delivery
from targets import Target

Better = Literal["higher", "lower"]
Preparation = tuple[str, Mapping[str, Any]]


class Scale(NamedTuple):
    """How large a run is: ``tiny`` for tests, ``quick``, ``normal`` or ``full``."""

    name: str

    def of(self, normal: int, *, tiny: int, full: int | None = None) -> int:
        """Return the size of one thing at this scale."""
        sizes = {"tiny": tiny, "quick": max(tiny, normal // 5), "full": full or normal}
        return sizes.get(self.name, normal)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a contender reached in one round.

    Attributes:
        value: The figure, in the unit of the scenario.
        delivery: What became of the items, where items can be counted.
        details: Further figures by name.
    """

    value: float
    delivery: Delivery | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do the work of a scenario.

    Attributes:
        name: As it is printed; unique in its scenario.
        play: The function that does the work, as ``module:function``; it returns an `Outcome`, and
            runs in a process and a directory of its own.
        options: The function's arguments.
        durable: What "durable" means here.
        package: The distribution it needs, beyond what every Python has.
        ours: Whether it is persistq.
        program: The command it needs, beyond what every machine has.
        prepared: What fills its directory once, before the first round, as a function and its
            arguments; contenders of one checkout that name the same share the directory.
        checkout: The checkout whose persistq it uses; empty for the installed one.
    """

    name: str
    play: str
    options: Mapping[str, Any]
    durable: str
    package: str | None = None
    program: str | None = None
    ours: bool = False
    prepared: Preparation | None = None
    checkout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A ratio of two figures, and what it should be.

    Attributes:
        label: What is claimed.
        ours: The contender whose figure is divided.
        rivals: By whose figure; the best of several; a figure in itself when there is none.
        figure: ``value``, or the name of a detail.
        target: Where the ratio should be; None if it is for information.
        paired: Whether the ratio is the median of the rounds' ratios, instead of the medians'.
    """

    label: str
    ours: str
    rivals: tuple[str, ...] = ()
    figure: str = "value"
    target: Target | None = None
    paired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One question, and who is asked.

    Attributes:
        name: Short, as in ``--only``.
        title: What is measured, as the figure's title.
        unit: Of the figures.
        better: Which figures are better.
        method: How it is measured, and what is counted.
        payload: What an item is.
        contenders: Who is measured, in the order of the table.
        claims: What should hold.
        timeout: Seconds after which a contender counts as hung.
        long: Whether it is one of those that ``--full`` makes much longer.
    """

    name: str
    title: str
    unit: str
    better: Better
    method: str
    payload: str
    contenders: list[Contender]
    claims: list[Claim]
    timeout: float = 300.0
    long: bool = False
