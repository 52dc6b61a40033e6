"""What a fork does to a process that uses persistq: all of it, in its order.

Before it, in the parent:

1. `PUTS`: producers send what waits for company, so that the child cannot do anything before it,
   and their threads, which are about to end, are waited for.
2. `THREADS`: housekeepers end their threads. Python warns of a fork beside a thread: the child
   could inherit a lock that the thread holds. What a producer sends may be what a housekeeper waits
   for, so this comes second.
3. `BEATS`: the thread that shows other hosts that owners of files live ends too.

After it, in the parent:

1. `THREADS`, `BEATS`: both go on.

After it, in the child:

1. The fork is counted, so that a worker can tell that it is a child of its handler's.
2. `CONNECTIONS`: copies of the parent's sockets are closed, before anything could be said on them.
3. `PUTS`: what the parent has put is the parent's to wait for.
4. `THREADS`: there are none in the child, and nothing to end.
5. `BEATS`: the owners are the parent.
6. `PRESENCES`: each queue lets go of what it had open, of its place at the fence, and of what the
   parent had got; it connects anew when it is used.
7. `FOLDERS`: so does each queue that is a folder; it becomes an owner of its own.

Each module says at its end what it does in which step. A step that raises keeps no other from being
taken; Python prints the error.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from operator import attrgetter
from typing import NamedTuple

forks = 0
"""How many forks lie between this process and the first that imported this."""

starting = threading.Lock()
"""Is held by who starts a process, while ends of pipes and sockets are open that are for it alone.
A thread that forked meanwhile would hand copies of them to a child of its own, and nobody would see
their end."""


class Step(enum.IntEnum):
    """What is done at a fork, in the order in which it is done."""

    CONNECTIONS = 1
    PUTS = 2
    THREADS = 3
    BEATS = 4
    PRESENCES = 5
    FOLDERS = 6


def _nothing() -> None:
    return


class _Actions(NamedTuple):
    before: Callable[[], None]
    after_in_parent: Callable[[], None]
    after_in_child: Callable[[], None]


_steps: dict[Step, _Actions] = {}


def at_fork(
    step: Step,
    *,
    before: Callable[[], None] = _nothing,
    after_in_parent: Callable[[], None] = _nothing,
    after_in_child: Callable[[], None] = _nothing,
) -> None:
    """Say what is to be done in one step; once for each of them."""
    _steps[step] = _Actions(before, after_in_parent, after_in_child)


def _take(moment: Callable[[_Actions], Callable[[], None]]) -> None:
    with ExitStack() as actions:
        # It calls what it was given last first, and all of it, whatever raises.
        for step in sorted(_steps, reverse=True):
            actions.callback(moment(_steps[step]))


def _before() -> None:
    _take(attrgetter("before"))


def _after_in_parent() -> None:
    _take(attrgetter("after_in_parent"))


def _after_in_child() -> None:
    global forks, starting  # noqa: PLW0603 - they are facts about the process
    forks += 1
    # The thread that held it is not here.
    starting = threading.Lock()
    _take(attrgetter("after_in_child"))


os.register_at_fork(
    before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
