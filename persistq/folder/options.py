"""What can be said of a folder that is a queue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from persistq.errors import UsageError
from persistq.folder.checks import CheckOption, require_check
from persistq.folder.grouping import Grouping
from persistq.folder.names import require_producer_name
from persistq.folder.order import OrderOption
from persistq.leases import HEARTBEAT_MAX_S, heartbeat_of

LOCAL_SETTLE_S: Final = 0.02
"""Twice what the clock of a local file system goes on by in one step, at most."""

NETWORK_SETTLE_S: Final = 65.0
"""Longer than a client of NFS believes what it has read of a directory."""

ProducersOption = int | Iterable[str]

_CHOICES: Final = {
    "dead_producer": ("fail", "wait", "done"),
    "failed": ("first", "last"),
    "incomplete": ("park", "fail", "deliver"),
}


@dataclass(frozen=True, slots=True)
class Times:
    """Lengths of time, in seconds.

    Attributes:
        min_age: How long a file must not have changed before it is claimed.
        lease: How long an owner on another host may be silent.
        poll: Longest wait between two looks at an empty folder.
        settle: How long nothing must have happened before it is over; None for what suits the file
            system.
        heartbeat: How often this process shows other hosts that it lives.
    """

    min_age: float = 0.0
    lease: float = 60.0
    poll: float = 0.5
    settle: float | None = None
    heartbeat: float = HEARTBEAT_MAX_S

    def __post_init__(self) -> None:
        """Refuse what is no length of time."""
        for name in ("min_age", "lease", "poll", "settle"):
            value = getattr(self, name)
            if value is not None and (type(value) not in (int, float) or not value >= 0):
                raise UsageError(f"{name}={value!r} is refused: give a number of seconds")


def times_of(min_age: float, lease: float | None, poll: float, settle: float | None) -> Times:
    """Return lengths of time, with those of the settings where the program says nothing.

    Raises:
        UsageError: One is wrong, or a setting is.
    """
    from persistq.settings import load_settings

    settings = load_settings(lease=lease)
    heartbeat = heartbeat_of(settings.lease, settings.heartbeat)
    return Times(min_age, settings.lease, poll, settle, heartbeat)


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """How a folder is read and written; `persistq.FolderQueue` says what each means."""

    match: str = "*"
    order: OrderOption | None = None
    check: CheckOption = None
    grouping: Grouping | None = None
    producers: frozenset[str] | int = 1
    drain: bool = False
    incomplete: str = "park"
    dead_producer: str = "fail"
    failed: str = "first"
    ready_max: int = 0
    drop_overflow: bool = False
    max_crashes: int = 3
    times: Times = field(default_factory=Times)

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                allowed = ", ".join(map(repr, choices))
                raise UsageError(f"{name}={getattr(self, name)!r} is refused: give {allowed}")
        for name, least in (("ready_max", 0), ("max_crashes", 1)):
            _require_number(name, getattr(self, name), least)
        if not isinstance(self.match, str) or not self.match:
            raise UsageError(f"match={self.match!r} is refused: give a pattern like '*.csv'")
        require_check(self.check)


def expected_producers(option: ProducersOption | None) -> frozenset[str] | int:
    """Return which producers have to be done, or how many.

    Raises:
        UsageError: It is neither names nor a number.
    """
    if option is None:
        return 1
    if isinstance(option, int):
        _require_number("producers", option, 1)
        return option
    names = [option] if isinstance(option, str) else [*option]
    for name in names:
        require_producer_name(name)
    return frozenset(names)


def _require_number(name: str, value: Any, least: int) -> None:
    if type(value) is not int or value < least:
        raise UsageError(f"{name}={value!r} is refused: give a whole number, at least {least}")
