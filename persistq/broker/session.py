"""What the parts of a broker share while it serves one load."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from persistq.broker.capacity import Capacity
from persistq.broker.link import Link
from persistq.broker.opening import OpenLoad, new_absorber
from persistq.broker.roster import Roster
from persistq.broker.scheduler import Scheduler
from persistq.broker.sources import spec_of
from persistq.broker.streams import Streams
from persistq.broker.watching import Watcher, held_in_words, sizes_of
from persistq.errors import RunEnded
from persistq.items import Failure
from persistq.journal.base import Journal
from persistq.journal.queuerow import QueueRow
from persistq.peer import Peer
from persistq.site.fence import Fence
from persistq.wire.messages import Opening, QueueSizes, Role, SourceSpec


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
        behind: For each queue, those that get what its stage has made, or its items.
        feeds: For each queue, those that get what its stage has made.
        targets: The same, with those that may get some of it.
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
        self.transitions.verdicts.on_failure = self._show
        self.roster = Roster()
        self.links: dict[int, Link] = {}
        self.watchers: list[Watcher] = []
        number = {row.name: row.queue_id for row in self.rows}
        fed = {source.queue_id for source in self.transitions.sources.rows.values()}
        self.entries = frozenset(number[name] for name in opened.graph.entries) | fed
        self.behind = {
            number[name]: sorted(number[target] for target in targets)
            for name, targets in opened.graph.feeds.items()
        }
        # What is passed on is put by the broker alone.
        passed = frozenset(self.transitions.passing.to.values())
        self.feeds = {
            number[name]: frozenset(number[target] for target in targets) - passed
            for name, targets in opened.graph.feeds.items()
        }
        self.targets = {
            number[name]: frozenset(number[target] for target in targets) - passed
            for name, targets in opened.graph.targets.items()
        }
        self.streaming = frozenset(number[stage.name] for stage in opening.stages if stage.stream)
        self.streams = Streams(journal, partial(new_absorber, journal))
        self._specs = {
            source_id: spec_of(opening, source, self.row(source.queue_id).name)
            for source_id, source in self.transitions.sources.rows.items()
        }
        self._after_commit: list[Callable[[], None]] = []

    @property
    def scheduler(self) -> Scheduler:
        """Who gets which item."""
        return self.transitions.scheduler

    @property
    def rows(self) -> list[QueueRow]:
        """The queues in the order of the stages."""
        return [*self.transitions.rows.values()]

    def goes_on(self, source_id: int) -> bool:
        """Return whether a source goes on behind its cursor."""
        return self._spec(source_id).cursor

    def polls(self, source_id: int) -> bool:
        """Return whether a source is asked again and again, and repeats nothing."""
        return self._spec(source_id).poll

    def _spec(self, source_id: int) -> SourceSpec:
        return self._specs[source_id]

    def row(self, queue_id: int) -> QueueRow:
        """Return a queue's counters."""
        return self.transitions.rows[queue_id]

    def capacity(self, queue_id: int) -> Capacity | None:
        """Return how much a queue may hold; None if there is no limit, or no such queue."""
        lane = self.scheduler.lanes.get(queue_id)
        return None if lane is None else lane.capacity

    def note_held(self) -> None:
        """Note of each queue whether what feeds it waits, for those who look at the journal."""
        for lane in self.scheduler.lanes.values():
            self.transitions.note_held(lane.row, held_in_words(lane))

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

    def consumers_in(self, peer: Peer) -> list[Link]:
        """Return the connections over which a process gets items, of whichever family."""
        return [link for link in self.of_role(Role.CONSUMER) if link.peer == peer]

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

    def _show(self, stage: str, failure: Failure, attempt: int, parked: bool) -> None:
        for watcher in self.watchers:
            watcher.noted(stage, failure, attempt, parked=parked)
