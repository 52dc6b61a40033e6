"""What the parts of a broker share while it serves one load."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from persistq.broker.link import Link
from persistq.broker.opening import OpenLoad, new_absorber
from persistq.broker.roster import Roster
from persistq.broker.scheduler import Scheduler
from persistq.broker.streams import Streams
from persistq.broker.watching import Watcher, sizes_of
from persistq.errors import RunEnded
from persistq.items import Failure
from persistq.journal.base import Journal, QueueRow
from persistq.site.fence import Fence
from persistq.wire.messages import Opening, QueueSizes, Role


class Session:
    """One load being served.

    Args:
        opening: What was asked for.
        journal: The open journal.
        opened: The load.
        fence: The fence, clear and wiped.
        clock: Monotonic time in seconds.

    Attributes:
        transitions: Changes items: places, counters and records.
        roster: The programs that have the load open.
        links: The clients' connections, by number.
        watchers: Those that want to see progress.
        entries: The queues that take what is put; others get what a stage has made.
        feeds: For each queue, those that get what its stage has made.
        streaming: The queues whose stage has it put at once.
        streams: What was put of items that are at work.
    """

    def __init__(
        self,
        opening: Opening,
        journal: Journal,
        opened: OpenLoad,
        fence: Fence,
        clock: Callable[[], float],
    ) -> None:
        self.opening = opening
        self.journal = journal
        self.opened = opened
        self.fence = fence
        self.clock = clock
        self.transitions = opened.transitions
        self.transitions.on_failure = self._show
        self.roster = Roster()
        self.links: dict[int, Link] = {}
        self.watchers: list[Watcher] = []
        number = {row.name: row.queue_id for row in self.rows}
        self.entries = frozenset(number[name] for name in opened.graph.entries)
        self.feeds = {
            number[name]: frozenset(number[target] for target in targets)
            for name, targets in opened.graph.feeds.items()
        }
        self.streaming = frozenset(number[stage.name] for stage in opening.stages if stage.stream)
        self.streams = Streams(journal, partial(new_absorber, journal))
        self._after_commit: list[Callable[[], None]] = []

    @property
    def scheduler(self) -> Scheduler:
        """Who gets which item."""
        return self.transitions.scheduler

    @property
    def rows(self) -> list[QueueRow]:
        """The queues in the order of the stages."""
        return [*self.transitions.rows.values()]

    def row(self, queue_id: int) -> QueueRow:
        """Return a queue's counters."""
        return self.transitions.rows[queue_id]

    def sizes(self) -> list[QueueSizes]:
        """Return all counters as they are sent."""
        return [sizes_of(lane) for lane in self.scheduler.lanes.values()]

    def orphaned(self, link: Link) -> RunEnded | None:
        """Return the refusal for a client whose program is dead."""
        pid = self.roster.dead(link.family)
        return None if pid is None else RunEnded(self.opening.name, pid)

    def of_role(self, role: Role) -> list[Link]:
        """Return the connections of one kind."""
        return [link for link in self.links.values() if link.role is role]

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do something when what this turn brought is committed, and work has gone out."""
        self._after_commit.append(act)

    def tell(self) -> None:
        """Do what waited for the commit.

        Crash: nobody is told of a record before it is committed.
        """
        waiting, self._after_commit = self._after_commit, []
        for act in waiting:
            act()

    def notice(self, stage: str, text: str) -> None:
        """Tell those that watch something of a whole stage."""
        for watcher in self.watchers:
            watcher.told(stage, text)

    def _show(self, stage: str, failure: Failure, parked: bool) -> None:
        for watcher in self.watchers:
            watcher.noted(stage, failure, parked=parked)
