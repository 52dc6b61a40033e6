"""Everything that can be set: names, types, bounds, defaults, and what they mean."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, dataclass_transform

import msgspec
from msgspec import Meta

from persistq.fields import Unit
from persistq.leases import heartbeat_of
from persistq.policy import Policy, Seconds
from persistq.settings.rules import DIRECTORY, HOST, LOAD, USERS
from persistq.text.masking import masked

PREFIX: Final = "PERSISTQ_"

Bytes = Annotated[int, Unit("bytes")]
Items = Annotated[int, Unit("items")]


class _Kind(msgspec.StructMeta):
    """Makes subclasses what `Settings` is itself, without a word of theirs."""

    def __new__(cls, *args: Any, **options: Any) -> _Kind:
        return super().__new__(cls, *args, **{"frozen": True, "kw_only": True} | options)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Settings(Policy, metaclass=_Kind, frozen=True, kw_only=True):
    """Everything that can be set, validated and immutable; made by `load_settings`.

    A program's own settings are a subclass with further fields, of any type that msgspec converts,
    or that is made by a call with one text, such as a `pathlib.Path`::

        class CrawlSettings(Settings):
            env_prefix: ClassVar[str] = "CRAWL_"

            url: str
            pages: list[int] = []

    A field without a default has to be set. `Annotated` with `msgspec.Meta` gives bounds, and
    ``__post_init__`` may raise ValueError for what several fields say together. Who makes an object
    without `load_settings`, also by `msgspec.structs.replace`, answers for its values.

    Attributes:
        env_prefix: What the names of variables begin with.
    """

    env_prefix: ClassVar[str] = PREFIX

    journal: Annotated[
        str,
        DIRECTORY,
        Meta(
            description="Directory of the journals, one file per name; a relative one is relative "
            "to the current directory, and it is made when first needed; commands look for it "
            "above, too. It must be on a local disk, because SQLite's locks do not hold on network "
            "file systems.",
        ),
    ] = ".persistq"
    trust_owner: Annotated[
        str | None,
        USERS,
        Meta(
            description="Numbers of users, separated by commas, whose journals are used as if they "
            "were one's own, for example by root in a container that works on a user's directory. "
            "Whoever can write a journal can make this program run whatever he wants, also by "
            "`persistq resume`. Only one's own journals and root's are trusted otherwise. It is "
            "taken from the environment alone, because files in a directory may be the stranger's "
            "too.",
        ),
    ] = None
    host: Annotated[
        str | None,
        HOST,
        Meta(
            description="What this host is called, where a host is a place in which numbers of "
            "processes mean something: unset, one boot of a machine, and each container in it. "
            "Programs under different names do not join each other's runs of a journal that they "
            "share, and are told who works on it; the same name declares that they see the same "
            "processes. It is taken from the environment alone, because a file is seen from "
            "several hosts.",
        ),
    ] = None
    durability: Annotated[
        Literal["normal", "full"],
        Meta(
            description="What a power failure may cost. With `normal`, puts, seals and failures "
            "are on disk before they are acknowledged, and done marks at most `flush_interval` "
            "later, so that much finished work may be repeated. With `full` every commit waits for "
            "the disk; loads of very short items get slower. Killed processes cost the same with "
            "both.",
        ),
    ] = "normal"
    flush_interval: Annotated[
        Seconds,
        Meta(
            gt=0,
            le=60,
            description="Longest time a committed done mark waits until it is forced to disk; only "
            "with `durability=normal`. Shorter repeats less after a power failure, longer syncs "
            "less often.",
        ),
    ] = 1.0
    workers: Annotated[
        Annotated[int, Meta(ge=0, le=1024)] | None,
        Unit("processes"),
        Meta(
            description="Worker processes for each stage that does not say its own number. Unset "
            "means as many as this process may use CPUs; 0 runs everything inline in one process, "
            "for a debugger.",
        ),
    ] = None
    start_method: Annotated[
        Literal["fork", "spawn", "forkserver"] | None,
        Meta(
            description="How `multiprocessing` starts workers and sources. Unset means Python's "
            "default on the platform. `fork` starts fastest; `spawn` and `forkserver` are safe "
            "beside threads, and need handlers that can be imported.",
        ),
    ] = None
    ack_interval: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=1,
            description="How much finished work a worker may hold unreported, to report several "
            "items in one message. It is what a killed worker may repeat beside the item in its "
            "hand; 0 reports each item at once, at the price of speed with very short items.",
        ),
    ] = 0.001
    window_time: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=10,
            description="How much expected work may be handed to one worker ahead of time. More "
            "hides the way to the broker better; less spreads uneven items more evenly. With 0 a "
            "worker gets one item at a time.",
        ),
    ] = 0.004
    window_max: Annotated[
        Items,
        Meta(
            ge=1,
            le=65_536,
            description="Most items handed to one worker ahead of time, however short they are.",
        ),
    ] = 1024
    ready_bytes_max: Annotated[
        Bytes,
        Meta(
            ge=1,
            le=64 * 1024**3,
            description="Most memory that waiting items of one queue take in the broker, counted "
            "with about 150 bytes for each item beside its payload; further items wait in the "
            "journal. A larger item is kept alone.",
        ),
    ] = 64 * 1024**2
    item_bytes_max: Annotated[
        Bytes,
        Meta(
            ge=1,
            le=1_000_000_000,
            description="Largest encoded item; a larger one is refused when it is put. SQLite "
            "stores no more than the upper bound. Large items are better kept in files, and their "
            "paths put.",
        ),
    ] = 256 * 1024**2
    keep_loads: Annotated[
        int,
        Unit("loads"),
        Meta(
            ge=0,
            le=1_000_000,
            description="How many loads that have ended keep their rows. Of older ones the journal "
            "keeps counters, failures, and parked items with their payloads, which can still be "
            "retried. Loads that are unfinished, or were abandoned with outstanding items, keep "
            "all and are not counted. Journals whose names are made from one template, as "
            "`sales-{day}`, count together, and those with nothing left are removed.",
        ),
    ] = 20
    keep_bytes: Annotated[
        Bytes,
        Meta(
            ge=0,
            le=1024**4,
            description="How many bytes the items of these loads may have together; the oldest "
            "give up their rows first. What is given up goes back to the file system.",
        ),
    ] = 1024**3
    max_outstanding: Annotated[
        Items,
        Meta(
            ge=1,
            le=1_000_000_000,
            description="How many items of one stage of a pipeline may be outstanding. While there "
            "are that many, its source waits, or no further item is handed to the stages that feed "
            "it; what is made of an item at work is put all the same. Fewer take less disk when a "
            "stage is slower than what feeds it. A source can set its own.",
        ),
    ] = 1_000_000
    max_outstanding_bytes: Annotated[
        Bytes,
        Meta(
            ge=1,
            le=100 * 1000**4,
            description="The same for the bytes of these items, about.",
        ),
    ] = 4 * 1000**3
    min_free_disk: Annotated[
        Bytes,
        Meta(
            ge=0,
            le=100 * 1000**4,
            description="How many bytes are to be left on the disk of the journals. While there "
            "are fewer, sources wait, and so do stages that feed others; the last stages go on. 0 "
            "does not look, and a disk that is full ends the run, which can be carried on.",
        ),
    ] = 0
    slow_after: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=1e9,
            description="From how long an attempt on its item is kept by itself as a slow one, "
            "which `persistq report` lists with its payload. Shorter ones are counted by their "
            "durations.",
        ),
    ] = 1.0
    slow_kept: Annotated[
        Items,
        Meta(
            ge=0,
            le=100_000,
            description="How many slow items of each stage are kept, the slowest of them.",
        ),
    ] = 100
    shutdown_grace: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=86_400,
            description="After Ctrl-C or SIGTERM, how long items in hand may go on before their "
            "workers are killed; what is killed is outstanding. 0 kills at once.",
        ),
    ] = 30.0
    broker_timeout: Annotated[
        Seconds,
        Meta(
            gt=0,
            le=3_600,
            description="Longest wait for the broker to start and open the journal, including the "
            "recovery of a journal after a power failure; and for a live broker to take a "
            "connection.",
        ),
    ] = 30.0
    fence_timeout: Annotated[
        Seconds,
        Meta(
            ge=0,
            le=86_400,
            description="Longest wait, when a load is carried on, for workers of a broker that "
            "died: no item may run twice at the same time. If they are still at it then, the start "
            "is refused. Within a run, longest wait for what a dead worker has forked before its "
            "item is handed out again.",
        ),
    ] = 60.0
    lease: Annotated[
        Seconds,
        Meta(
            gt=0,
            le=86_400,
            description="How long a process on another host may give no sign of life before it "
            "counts as dead, and what it had in hand is given to others. Shorter gives back "
            "sooner; longer bears longer pauses, of a machine or of code that lets no other thread "
            "run. On one host deaths are known at once. A process asks for more with `extend`.",
        ),
    ] = 60.0
    heartbeat: Annotated[
        Annotated[float, Meta(gt=0, le=3_600)] | None,
        Unit("seconds"),
        Meta(
            description="How often a process gives other hosts a sign of life. Unset means a "
            "twelfth of `lease`, and 5 seconds at most. A lease has to be at least three of them.",
        ),
    ] = None
    progress: Annotated[
        Literal["auto", "plain", "json", "log", "none"],
        Meta(
            description="How a pipeline shows its progress on standard error: `auto` draws a live "
            "display on a terminal and plain lines elsewhere, `plain` always writes lines, `json` "
            "writes an object on each line, for programs, `log` leaves all that a run says to the "
            "logger `persistq`, `none` shows no progress.",
        ),
    ] = "auto"
    quiet: Annotated[
        bool,
        Meta(
            description="Say what has gone wrong, and nothing else: no progress, whatever "
            "`progress` says, and no line when a load begins or has ended well.",
        ),
    ] = False
    progress_interval: Annotated[
        Seconds,
        Meta(
            ge=0.05,
            le=3_600,
            description="Time between two updates of the live display, and between two objects "
            "of `json`.",
        ),
    ] = 0.5
    progress_plain_interval: Annotated[
        Seconds,
        Meta(
            ge=0.05,
            le=86_400,
            description="Time between two plain lines of progress; longer keeps log files short.",
        ),
    ] = 10.0
    fresh: Annotated[
        bool,
        Meta(
            description="Begin a new load even if one is unfinished; that one is marked abandoned, "
            "and its outstanding items are not worked on. Meant as an argument for one run.",
        ),
    ] = False
    retry_failed: Annotated[
        bool,
        Meta(
            description="Put the items parked by earlier runs back to work when a load is carried "
            "on; where none is unfinished, the latest load is reopened if it has such items. Meant "
            "for one run.",
        ),
    ] = False
    load: Annotated[
        str | None,
        LOAD,
        Meta(
            description="The load to work on, by its number, as `persistq status` shows it: also "
            "one that was abandoned, or, with `retry_failed`, one that is settled. With a name in "
            "front, as in `sales:3`, it is for that journal only. `persistq resume` sets it.",
        ),
    ] = None
    carry_on: Annotated[
        bool,
        Meta(
            description="Carry on the unfinished load even if the script asks for a fresh one or "
            "names other parameters; `persistq resume` sets it.",
        ),
    ] = False
    sample: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Unit("items"),
        Meta(
            description="Try the first items of each source, this many, in a journal that is "
            "thrown away: sinks roll back, and whatever else handlers do is real. Meant as an "
            "argument for one run.",
        ),
    ] = None
    params: Annotated[
        dict[str, Any],
        Meta(
            description="Arguments given to the source by name, in the environment as a JSON "
            'object such as `{"year": 2013}`. Several places are merged name by name. They belong '
            "to the load: a start that carries it on takes them from there, and may not name other "
            "values.",
        ),
    ] = msgspec.field(default_factory=dict)

    _said: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what is wrong of several fields together."""
        heartbeat_of(self.lease, self.heartbeat)

    def says(self, name: str) -> bool:
        """Return whether a setting was given anywhere, and is not merely its default."""
        return name in self._said

    def __repr__(self) -> str:
        """Return the values as they may be shown: what is named like a secret is masked."""
        names = [name for name in self.__struct_fields__ if not name.startswith("_")]
        shown = [f"{name}={masked(name, getattr(self, name))!r}" for name in names]
        return f"{type(self).__name__}({', '.join(shown)})"
