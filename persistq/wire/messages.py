"""What crosses the socket between a broker and its clients.

Payloads travel as the bytes they are stored as; `persistq.wire.framing` says how messages become
bytes.
"""

from __future__ import annotations

import enum
import math
from typing import Any, Literal

import msgspec

from persistq.blocks import Block, Origin, Slice
from persistq.items import IdRange
from persistq.keys import PutSpan
from persistq.outcome import Outcome
from persistq.peer import Peer
from persistq.policy import Batching, Policy
from persistq.rate import Rate
from persistq.timings import SlowItem


class Role(enum.IntEnum):
    """What a connection is for."""

    ANCHOR = 0
    """Held by the process that opened the load, for as long as it lives."""
    PRODUCER = 1
    CONSUMER = 2
    CONTROL = 3


class Patience(enum.IntEnum):
    """What a consumer does if there is nothing for it."""

    AHEAD = 0
    """It still has work, and asks early."""
    WAIT = 1
    """It is blocked until an answer comes."""
    NEVER = 2
    """It wants an answer at once."""


class _Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all messages."""


class Outputs(_Message, frozen=True):
    """What was made of items, for one queue; ``origins`` says of each block what it was made of."""

    queue_id: int
    blocks: list[Block]
    origins: list[Origin]


# --- from a client to its broker ------------------------------------------------------------------


class Hello(_Message, frozen=True, tag=1):
    """First message of a connection whose ends have proven that they belong to the same run.

    ``family`` names the program that opened the load; its child processes carry the same name.
    ``together`` is how many items a consumer begins together at most, as one attempt, and
    ``at_once`` how many attempts it works on at the same time; ``source_id`` is the source that a
    producer is, in a pipeline.
    """

    peer: Peer
    family: str
    role: Role
    queue_id: int = 0
    together: int = 1
    source_id: int = 0
    at_once: int = 1


class Put(_Message, frozen=True, tag=2):
    """Items to journal; answered by `Journaled` once they are.

    ``cursor`` says how far their source has come with the last of them, as a block of one.
    """

    queue_id: int
    blocks: list[Block]
    cursor: Block | None = None


class Offer(_Message, frozen=True, tag=3):
    """One item for a bounded queue; answered by `Accepted` when there is room."""

    queue_id: int
    block: Block
    maxsize: int
    patience: Patience


class Take(_Message, frozen=True, tag=4):
    """A request for work; answered by `Items`, `Ended` or, without patience, `Empty`.

    ``seen`` is how many `Items` this consumer has received. A request that crossed with the answer
    to an earlier one is void, so that a consumer that has work never counts as waiting. ``room``
    is how many items would begin at once, beside others that are worked on; 0 if that is not how
    this consumer works, or if all it can work on is in its hands.
    """

    patience: Patience
    seen: int
    room: int = 0


class Cancel(_Message, frozen=True, tag=5):
    """Patience has run out: answer the pending `Take` or `Offer` now, if it still is."""


class Done(_Message, frozen=True, tag=6):
    """Items are finished; their outputs are journaled in the same transaction.

    ``busy`` is the time the items took together, in seconds. Like any report, this one means
    nothing as a whole if one of the items is not its sender's any more.
    """

    ids: list[IdRange]
    busy: float
    outputs: list[Outputs] = []


class Failed(_Message, frozen=True, tag=7):
    """An attempt failed, and so did these items of it; text only, never a live exception.

    ``final`` says that another attempt would fail as well.
    """

    ids: list[IdRange]
    error_type: str
    message: str
    traceback: str
    retry_after: float | None = None
    final: bool = False


class Deferred(_Message, frozen=True, tag=100):
    """Items are put off, which costs them no attempt.

    ``seconds`` is for how long; None leaves that to the stage's back-off.
    """

    ids: list[IdRange]
    error_type: str
    message: str
    seconds: float | None = None


class Apart(_Message, frozen=True, tag=101):
    """An attempt at several items failed, nobody knows because of which: each goes alone now."""

    ids: list[IdRange]
    error_type: str
    message: str


class Dropped(_Message, frozen=True, tag=8):
    """The handler decided that items need no work."""

    ids: list[IdRange]
    reason: str


class GiveBack(_Message, frozen=True, tag=9):
    """Items that were handed out, were not started, and may run elsewhere."""

    ids: list[IdRange]


class Seal(_Message, frozen=True, tag=10):
    """Nothing more will be put on this queue, or by this source of it."""

    seq: int
    queue_id: int
    source_id: int = 0


class Fail(_Message, frozen=True, tag=11):
    """Upstream gave up: every consumer is told FAILED.

    At once, or when what is outstanding is worked off, which may take so many seconds.
    """

    seq: int
    reason: str
    patience: float = 0.0


class Flush(_Message, frozen=True, tag=12):
    """Answer when everything this connection sent is on disk."""

    seq: int


class Join(_Message, frozen=True, tag=13):
    """Answer when no item of the queue is outstanding."""

    seq: int
    queue_id: int


class Sizes(_Message, frozen=True, tag=14):
    """Ask for the `QueueSizes` of all queues."""

    seq: int


class Page(_Message, frozen=True, tag=15):
    """Ask for outstanding items after an id; answered with a list of `Slice`."""

    seq: int
    queue_id: int
    after_id: int
    limit: int


class Requeue(_Message, frozen=True, tag=16):
    """Hand out what was held back with ``resume=False``; answered with how many."""

    seq: int
    queue_id: int


class Watch(_Message, frozen=True, tag=17):
    """The supervisor wants `Progress` while things change, and `Ended` at the end."""

    interval: float


class Halt(_Message, frozen=True, tag=18):
    """Hand out no more items: the run is being stopped; what is in flight may finish."""

    seq: int


class Retry(_Message, frozen=True, tag=24):
    """Put those of these items that are parked back to work; answered with how many, on disk."""

    seq: int
    ids: list[IdRange]


class Discard(_Message, frozen=True, tag=25):
    """Drop those of these items that are parked; answered with how many, on disk."""

    seq: int
    ids: list[IdRange]
    reason: str


class Replace(_Message, frozen=True, tag=26):
    """Drop a parked item and put another for it; answered with its id, 0 if it is not parked."""

    seq: int
    item_id: int
    block: Block
    reason: str


class Overdue(_Message, frozen=True, tag=20):
    """The supervisor is about to kill a worker because its attempt takes too long.

    ``attempt`` is what its slot in the fence says.
    """

    pid: int
    attempt: int
    limit: float


class WorkerEnded(_Message, frozen=True, tag=21):
    """How a worker's process ended: what only its parent can know.

    ``signal`` is 0 if none killed it, ``peak_rss`` in bytes and 0 if unknown; ``out_of_memory``
    says that the kernel's OOM killer is the likely cause.
    """

    pid: int
    exit_code: int
    signal: int
    peak_rss: int
    out_of_memory: bool


class Spool(_Message, frozen=True, tag=22):
    """Some of what is made of an item at work, for one queue; 0 is each that its stage feeds.

    It is kept, and all that was spooled becomes items when the item is done; if this attempt at it
    ends otherwise, it is void.
    """

    item_id: int
    blocks: list[Block]
    queue_id: int = 0


class Stream(_Message, frozen=True, tag=23):
    """Some of what is made of an item at work, to be put at once, where its stage streams.

    ``first`` begins an attempt: what earlier ones have put absorbs what this one puts. It goes to
    one queue; 0 is each that the stage feeds.
    """

    item_id: int
    blocks: list[Block]
    first: bool
    queue_id: int = 0


class Checkpoint(_Message, frozen=True, tag=130):
    """How far an attempt at an item has come; answered when that is on disk.

    ``value`` is a block of one. The answer is False if the sender does not hold the item.
    """

    seq: int
    item_id: int
    value: Block


class LastCheckpoint(_Message, frozen=True, tag=131):
    """Ask for the `Checkpoint` that was recorded last for an item; answered with it, or None."""

    seq: int
    item_id: int


class Printed(_Message, frozen=True, tag=132):
    """Lines that handlers have printed, as (item, stream, text); a supervisor has read them."""

    lines: list[tuple[int, int, str]]


class Timed(_Message, frozen=True, tag=133):
    """How long items took that were reported since this was said last, or are with the next report.

    ``counts`` is a histogram, see `persistq.timings`; ``worked`` and ``waited`` are the time in the
    handler and the time without work, in seconds, ``rss`` the memory of this process in bytes.
    ``slow`` are items that took long, as (item, seconds).
    """

    counts: dict[int, int]
    worked: float
    waited: float
    rss: int
    slow: list[SlowItem] = []


class Rest(_Message, frozen=True, tag=27):
    """The stage of this consumer cannot be worked at now, and no item is to blame.

    ``seconds`` is how long not; None leaves that to the broker.
    """

    reason: str
    seconds: float | None = None


class SourcePuts(_Message, frozen=True, tag=110):
    """Ask how many new items each source has put in this run, by number."""

    seq: int


class Poll(_Message, frozen=True, tag=111):
    """A source asks how many items to yield; answered with that, and how many were new before.

    The answer comes when its queue runs low, which may have ``most`` outstanding items, and not
    before ``pause`` seconds have passed, and ``idle`` seconds more if none were new, unless
    somebody wakes the source. It is -1 if the run is being ended. With ``at_once`` nothing is
    waited for.
    """

    seq: int
    most: int
    idle: float
    pause: float
    at_once: bool = False


class Wake(_Message, frozen=True, tag=112):
    """Have the sources that wait asked for items now; answered with whether there are any."""

    seq: int


class Drain(_Message, frozen=True, tag=113):
    """End the sources that are asked for items, and then the load, when all is worked off."""

    seq: int


class Farewell(_Message, frozen=True, tag=19):
    """The last message of a process that leaves on purpose.

    The process that opened the load is answered with how many connections other processes have.
    ``result`` and ``reason`` are how the run ended, in the words of the process that opened it;
    empty for all others.
    """

    result: str = ""
    reason: str = ""


ClientMessage = (
    Hello
    | Put
    | Offer
    | Take
    | Cancel
    | Done
    | Failed
    | Deferred
    | Apart
    | Dropped
    | GiveBack
    | Seal
    | Fail
    | Flush
    | Join
    | Sizes
    | Page
    | Requeue
    | Watch
    | Halt
    | Retry
    | Discard
    | Replace
    | Overdue
    | WorkerEnded
    | Spool
    | Stream
    | Checkpoint
    | LastCheckpoint
    | Printed
    | Timed
    | Rest
    | SourcePuts
    | Poll
    | Wake
    | Drain
    | Farewell
)

# --- from a broker to its client ------------------------------------------------------------------


class QueueSizes(_Message, frozen=True):
    """Counters of one queue.

    ``waiting`` items are in nobody's hands, and ``delayed`` ones of them are not due yet;
    ``resumed`` items were done before this run began; ``blamed`` is the number of deaths of workers
    in this run for which an item was blamed. ``held`` says why its stage, or what feeds it, waits.
    Puts that were ``duplicates`` are not counted in ``put``, nor are those ``skipped`` because an
    earlier load has done them. Those of ``results`` are kept, and were never work. ``worked`` is
    how long those that are done took together, in all runs, in seconds.
    """

    queue_id: int
    name: str
    put: int
    done: int
    dropped: int
    parked: int
    waiting: int
    in_flight: int
    sealed: bool
    resumed: int
    blamed: int = 0
    delayed: int = 0
    held: str = ""
    duplicates: int = 0
    skipped: int = 0
    results: bool = False
    worked: float = 0.0


class SourceState(_Message, frozen=True):
    """A source of the load, what it puts on, and whether it has come to its end."""

    source_id: int
    queue_id: int
    name: str
    ended: bool


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the source.

    ``codec`` is -1 where it has no value that can be stored. ``given`` says that this start named
    it, ``required`` that the source has no default for it.
    """

    name: str
    codec: int = -1
    payload: bytes = b""
    shown: str = ""
    given: bool = False
    required: bool = False


class LeftOver(_Message, frozen=True):
    """What another load of the journal still has."""

    load_id: int
    parked: int
    outstanding: int


class Welcome(_Message, frozen=True, tag=64):
    """The connection is accepted; a consumer gets a slot in the fence, or one for each attempt.

    ``fence`` tells the fence file from one that has taken its place; ``put_spans`` tells a consumer
    which run put the items that it may get; ``cursor`` tells a producer how far the source before
    it has come, and ``limits`` are those of `Journaled`. ``feeds`` says for each queue which ones
    get what its stage has made; those that none feeds take what is put. ``sources`` are those of
    the load. From ``slow_after`` seconds on a consumer tells of an item by itself. Who opens the
    load also learns its parameters, what other loads have left, and whether it is ``reopened``:
    only who names it works on it; who opens a plain queue, the ``policy`` of its first opener.
    """

    load_id: int
    run_id: int
    carried_on: bool
    queues: list[QueueSizes]
    feeds: dict[int, list[int]] = {}
    slot: int = -1
    fence: int = 0
    limits: tuple[int, int] = (-1, -1)
    broker_pid: int = 0
    closed: list[int] = []
    put_spans: list[PutSpan] = []
    cursor: Block | None = None
    params: list[Parameter] = []
    left: list[LeftOver] = []
    reopened: bool = False
    sources: list[SourceState] = []
    more_slots: list[int] = []
    slow_after: float = math.inf
    policy: Policy | None = None

    @property
    def entries(self) -> list[int]:
        """The queues that take what is put, in the order of their stages."""
        fed = {queue_id for targets in self.feeds.values() for queue_id in targets}
        return [queue.queue_id for queue in self.queues if queue.queue_id not in fed]


class Refused(_Message, frozen=True, tag=65):
    """A request, or the connection, is refused: the error's class name and its arguments.

    ``seq`` is 0 when no single request is meant.
    """

    seq: int
    error: str
    args: list[Any]


class Journaled(_Message, frozen=True, tag=66):
    """This many items of this connection are journaled, absorbed or refused so far.

    ``items_limit`` and ``bytes_limit`` are up to where it may go on, counted from its beginning;
    -1 if as far as it likes.
    """

    total: int
    items_limit: int = -1
    bytes_limit: int = -1


class Items(_Message, frozen=True, tag=67):
    """Work, as slices of blocks.

    ``attempts`` holds the failed attempts of items that have any.

    ``sizes`` says how many of the items, in their order, are to be begun together; if it is empty,
    each is begun by itself. While a consumer works on several items it notes the number of their
    attempt in its slot, ``first`` for the first of them, one more for the next; on one, its id.
    """

    slices: list[Slice]
    attempts: dict[int, int] = {}
    sizes: list[int] = []
    first: int = 0


class Empty(_Message, frozen=True, tag=68):
    """Nothing is ready now."""


class Accepted(_Message, frozen=True, tag=69):
    """An `Offer` was taken, or (False) there was no room."""

    ok: bool


class Ended(_Message, frozen=True, tag=70):
    """No more work: ``DONE`` or ``FAILED``, and why.

    ``at_once`` says that items in flight are not worth waiting for.
    """

    outcome: Outcome
    reason: str = ""
    at_once: bool = False


class Closed(_Message, frozen=True, tag=71):
    """The queue was sealed in this run: later puts are refused."""

    queue_id: int


class Answer(_Message, frozen=True, tag=72):
    """The answer to the request with this number."""

    seq: int
    value: Any


class FailureNews(msgspec.Struct, array_like=True, frozen=True):
    """A failed attempt, as a supervisor shows it.

    ``attempt`` counts from 1; ``pid`` is the process that made it, 0 if that is not known.
    """

    stage: str
    item_id: int
    text: str
    attempt: int
    pid: int
    parked: bool


class Progress(_Message, frozen=True, tag=73):
    """What a supervisor shows, and what has come up since the last time.

    ``notices`` are of whole stages (queue, text).
    """

    queues: list[QueueSizes]
    failures: list[FailureNews]
    notices: list[tuple[str, str]] = []


BrokerMessage = (
    Welcome | Refused | Journaled | Items | Empty | Accepted | Ended | Closed | Answer | Progress
)


class StageSpec(Policy, frozen=True):
    """A stage as the broker needs it: its name and its `Policy`.

    ``was`` is the name it had before, or empty. ``feeds`` names the stages that get what this one
    has made; None is the one that follows, if there is one. ``puts`` names those before it, or
    itself, that may get some of it. ``stream`` says that they get it at
    once. ``batching`` says how its items are handed out, if not one by one, ``groups`` that they
    are handed out in groups. A ``hook`` is no stage of the program's: it gets one item when all
    others have come to their end, and, if it is ``failed``, some of their items are parked.
    ``results`` says that what is put here is kept: it is done as soon as it is recorded, and nobody
    works on it.
    While so many items or bytes are outstanding here, what feeds it waits; None never does.
    ``rate`` says how often its handler may be called, if there is a limit. ``keyed`` says that what
    is put here has natural keys, ``once`` that those are skipped which earlier loads have done.
    ``ordered`` says that items are handed out by their ranks. ``passes`` names the stage that gets
    the items of this one themselves, each when it is done with; empty if none does.
    """

    name: str
    was: str = ""
    feeds: list[str] | None = None
    puts: tuple[str, ...] = ()
    stream: bool = False
    batching: Batching | None = None
    groups: bool = False
    hook: Literal["", "settled", "failed"] = ""
    max_outstanding: int | None = None
    max_outstanding_bytes: int | None = None
    rate: Rate | None = None
    keyed: bool = False
    once: bool = False
    ordered: bool = False
    passes: str = ""
    results: bool = False


class SourceSpec(msgspec.Struct, frozen=True):
    """A source as the broker needs it.

    ``stage`` is what it puts on. ``cursor`` says that it goes on behind the last one that was
    recorded, ``poll`` that it is asked again and again, and repeats nothing. For ``requeue_after``
    seconds what it has put is not put again.
    """

    name: str
    stage: str
    cursor: bool = False
    poll: bool = False
    requeue_after: float = 0.0


class Opening(msgspec.Struct, frozen=True):
    """What a fresh broker is told on its standard input, as JSON.

    ``load`` is the load to work on, None for the one that is carried on by itself, or a new one.
    ``yields`` says that the load's parameters win over those given here. ``template`` is what the
    name was made from, empty if it has no parameters in it.
    """

    token: str
    name: str
    path: str
    kind: str
    stages: list[StageSpec]
    executable: str
    argv: list[str]
    cwd: str
    peer: Peer
    family: str
    environment: dict[str, str] = {}
    fresh: bool = False
    hold: bool = False
    retry_failed: bool = False
    load: int | None = None
    source: str = ""
    parameters: list[Parameter] = []
    takes_any: bool = True
    yields: bool = False
    sources: list[SourceSpec] = []
    durability: Literal["normal", "full"] = "normal"
    flush_interval: float = 1.0
    window_time: float = 0.004
    window_max: int = 1024
    ready_bytes_max: int = 64 * 1024 * 1024
    fence_timeout: float = 60.0
    keep_loads: int = 20
    keep_bytes: int = 1024**3
    min_free_disk: int = 0
    slow_after: float = 1.0
    slow_kept: int = 100
    template: str = ""
    elsewhere: list[str] = []
