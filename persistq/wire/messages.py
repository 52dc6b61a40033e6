"""What crosses the socket between a broker and its clients.

Payloads travel as the bytes they are stored as; `persistq.wire.framing` says how messages become
bytes.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec

from persistq.blocks import Block, Origin, Slice
from persistq.items import IdRange
from persistq.keys import PutSpan
from persistq.outcome import Outcome
from persistq.peer import Peer
from persistq.policy import Batching, Policy


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
    ``together`` is how many items a consumer begins together at most, as one attempt.
    """

    peer: Peer
    family: str
    role: Role
    queue_id: int = 0
    together: int = 1


class Put(_Message, frozen=True, tag=2):
    """Items to journal; answered by `Journaled` once they are."""

    queue_id: int
    blocks: list[Block]


class Offer(_Message, frozen=True, tag=3):
    """One item for a bounded queue; answered by `Accepted` when there is room."""

    queue_id: int
    block: Block
    maxsize: int
    patience: Patience


class Take(_Message, frozen=True, tag=4):
    """A request for work; answered by `Items`, `Ended` or, without patience, `Empty`.

    ``seen`` is how many `Items` this consumer has received. A request that crossed with the answer
    to an earlier one is void, so that a consumer that has work never counts as waiting.
    """

    patience: Patience
    seen: int


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


class Dropped(_Message, frozen=True, tag=8):
    """The handler decided that items need no work."""

    ids: list[IdRange]
    reason: str


class GiveBack(_Message, frozen=True, tag=9):
    """Items that were handed out, were not started, and may run elsewhere."""

    ids: list[IdRange]


class Seal(_Message, frozen=True, tag=10):
    """Nothing more will be put on this queue."""

    seq: int
    queue_id: int


class Fail(_Message, frozen=True, tag=11):
    """Upstream gave up: every consumer is told FAILED at once."""

    seq: int
    reason: str


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
    """Some of what is made of an item at work, for each queue that its stage feeds.

    It is kept, and all that was spooled becomes items when the item is done; if this attempt at it
    ends otherwise, it is void.
    """

    item_id: int
    blocks: list[Block]


class Stream(_Message, frozen=True, tag=23):
    """Some of what is made of an item at work, to be put at once, where its stage streams.

    ``first`` begins an attempt: what earlier ones have put absorbs what this one puts.
    """

    item_id: int
    blocks: list[Block]
    first: bool


class Rest(_Message, frozen=True, tag=27):
    """The stage of this consumer cannot be worked at now, and no item is to blame."""

    reason: str


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
    | Rest
    | Farewell
)

# --- from a broker to its client ------------------------------------------------------------------


class QueueSizes(_Message, frozen=True):
    """Counters of one queue.

    ``waiting`` items are in nobody's hands, and ``delayed`` ones of them are not due yet;
    ``resumed`` items were done before this run began; ``blamed`` is the number of deaths of workers
    in this run for which an item was blamed.
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
    """The connection is accepted; a consumer gets a slot in the fence.

    ``fence`` tells the fence file from one that has taken its place; ``put_spans`` tells a consumer
    which run put the items that it may get. ``feeds`` says for each queue which ones get what its
    stage has made; those that none feeds take what is put. Who opens the load also learns its
    parameters, what other loads have left, and whether it is ``reopened``: only who names it works
    on it.
    """

    load_id: int
    run_id: int
    carried_on: bool
    queues: list[QueueSizes]
    feeds: dict[int, list[int]] = {}
    slot: int = -1
    fence: int = 0
    broker_pid: int = 0
    closed: list[int] = []
    put_spans: list[PutSpan] = []
    params: list[Parameter] = []
    left: list[LeftOver] = []
    reopened: bool = False

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
    """This many items of this connection are journaled, absorbed or refused so far."""

    total: int


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


class Progress(_Message, frozen=True, tag=73):
    """What a supervisor shows, and what has come up since the last time.

    ``failures`` are (queue, id, text), ``notices`` of whole stages (queue, text).
    """

    queues: list[QueueSizes]
    failures: list[tuple[str, int, str]]
    notices: list[tuple[str, str]] = []


BrokerMessage = (
    Welcome | Refused | Journaled | Items | Empty | Accepted | Ended | Closed | Answer | Progress
)


class StageSpec(Policy, frozen=True):
    """A stage as the broker needs it: its name and its `Policy`.

    ``was`` is the name it had before, or empty. ``feeds`` names the stages that get what this one
    has made; None is the one that follows, if there is one. ``stream`` says that they get it at
    once. ``batching`` says how its items are handed out, if not one by one.
    """

    name: str
    was: str = ""
    feeds: list[str] | None = None
    stream: bool = False
    batching: Batching | None = None


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
    durability: Literal["normal", "full"] = "normal"
    flush_interval: float = 1.0
    window_time: float = 0.004
    window_max: int = 1024
    ready_bytes_max: int = 64 * 1024 * 1024
    fence_timeout: float = 60.0
    keep_loads: int = 20
    keep_bytes: int = 1024**3
    template: str = ""
    elsewhere: list[str] = []
