"""What a contract is: checks, each a function that is named for what holds and says it.

Nothing here is an ``assert``: under ``python -O`` a contract would be kept by whatever comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Opener = TypeVar("Opener")
Place = TypeVar("Place")
Argument = TypeVar("Argument")

Making = Callable[[], AbstractContextManager[Opener]]
"""Makes room for one implementation that nobody has used yet, as a context manager; entered, it
gives what opens it there, again and again."""


class ContractBroken(AssertionError):
    """An implementation does not do what its contract says.

    Attributes:
        broken: For each check that does not hold: its name, what should hold, and what was found.
    """

    def __init__(self, broken: Iterable[str]) -> None:
        self.broken = tuple(broken)
        super().__init__(self.broken)

    def __str__(self) -> str:
        return "\n".join(self.broken)


@dataclass(frozen=True, slots=True)
class Check(Generic[Opener]):
    """One rule of a contract, and how to find out whether it holds.

    Calling it with a maker of implementations raises `ContractBroken`, or nothing if it holds.

    Attributes:
        name: The rule in a few words, as a name; also its text.
        rule: The rule in a sentence.
        act: Finds out; raises what is wrong.
    """

    name: str
    rule: str
    act: Callable[[Opener], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self, make: Making[Opener]) -> None:
        """Raise `ContractBroken` unless the rule holds for a new implementation."""
        try:
            with make() as opener:
                self.act(opener)
        except Exception as error:
            found = str(error) if isinstance(error, AssertionError) else repr(error)
            raise ContractBroken([f"{self.name}: {self.rule} Found: {found}"]) from error


class Rules(Generic[Opener, Place]):
    """The checks of one subject, in the order in which they were added.

    Args:
        enter: Makes what a check uses of what opens an implementation.
    """

    def __init__(self, enter: Callable[[Opener], AbstractContextManager[Place]]) -> None:
        self._enter = enter
        self._checks: list[Check[Opener]] = []

    def check(self, rule: Callable[[Place], None]) -> Callable[[Place], None]:
        """Add a function whose name and docstring say what holds."""
        self._add(_name(rule), rule, rule)
        return rule

    def check_each(
        self, cases: Iterable[Argument]
    ) -> Callable[[Callable[[Place, Argument], None]], Callable[[Place, Argument], None]]:
        """Add a function once for each case, which it gets as its second argument."""

        def add(rule: Callable[[Place, Argument], None]) -> Callable[[Place, Argument], None]:
            for case in cases:
                self._add(f"{_name(rule)}[{case}]", rule, _bound(rule, case))
            return rule

        return add

    def checks(self) -> list[Check[Opener]]:
        """Return the checks."""
        return list(self._checks)

    def _add(self, name: str, rule: Callable[..., None], act: Callable[[Place], None]) -> None:
        def enter_and_act(opener: Opener) -> None:
            with self._enter(opener) as place:
                act(place)

        self._checks.append(Check(name, _sentence(rule), enter_and_act))


def run_checks(checks: Iterable[Check[Opener]], make: Making[Opener]) -> None:
    """Run all checks, each with an implementation of its own.

    Raises:
        ContractBroken: Some do not hold. Its cause is the first that was found.
    """
    broken: list[ContractBroken] = []
    for check in checks:
        try:
            check(make)
        except ContractBroken as error:
            broken.append(error)
    if broken:
        raise ContractBroken(line for error in broken for line in error.broken) from broken[0]


def same(found: object, expected: object, what: str = "") -> None:
    """Raise unless two values are equal."""
    if found != expected:
        about = f"{what}: " if what else ""
        raise AssertionError(f"{about}{found!r} instead of {expected!r}.")


def true(holds: object, otherwise: str) -> None:
    """Raise unless something holds; say what is so otherwise."""
    if not holds:
        raise AssertionError(f"{otherwise}.")


@contextmanager
def refused(*kinds: type[Exception]) -> Iterator[None]:
    """Raise unless the ``with`` block raises one of these errors."""
    try:
        yield
    except kinds:
        return
    names = " or ".join(kind.__name__ for kind in kinds)
    raise AssertionError(f"no {names} was raised.")


def _name(rule: Callable[..., None]) -> str:
    return rule.__name__


def _sentence(rule: Callable[..., None]) -> str:
    # Without docstrings (``python -OO``) the name has to do.
    text = rule.__doc__ or f"{_name(rule).replace('_', ' ')}."
    return " ".join(text.split())


def _bound(rule: Callable[[Place, Argument], None], case: Argument) -> Callable[[Place], None]:
    return lambda place: rule(place, case)
