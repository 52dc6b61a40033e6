"""The task of a stage's workers: decode an item, call the handler, encode what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from persistq import forking
from persistq.blocks import Block
from persistq.client.batches import BatchConsumer
from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.outputs import Made, Routed, encoded, stream
from persistq.client.routed import KeptByQueue, StreamedByQueue
from persistq.client.window import Delivery
from persistq.codec import VALUE, ItemCodec
from persistq.pipeline import waking
from persistq.pipeline.batch import StageBatches
from persistq.pipeline.checkpoints import Checkpoints
from persistq.pipeline.eventloop import EventLoop
from persistq.pipeline.iteminfo import ItemInfo
from persistq.pipeline.outputs import output_of, outputs_of
from persistq.pipeline.routes import Routes
from persistq.pool.batches import BatchWorker
from persistq.pool.recycling import Limits
from persistq.pool.task import Opened
from persistq.pool.worker import ItemWorker, Pauses, Worker

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.outputs import Encoder
    from persistq.pipeline.lifespan import Lifespan
    from persistq.pipeline.typedcodec import TypedCodec
    from persistq.sinks import FileSink, Sink, Tried


@dataclass(frozen=True, slots=True)
class StageTask:
    """One stage, as it is sent to its workers.

    Attributes:
        name: The stage's name.
        handle: The run, and the queue to take from.
        handler: The user's function.
        extras: Names of the extra arguments it takes.
        context: Lives once in each process; it is the argument ``ctx``.
        settings: The argument ``settings``.
        routes: Where outputs may go.
        codec: Encodes and decodes items.
        stream: Whether outputs go on at once.
        batch: Most items of one call; None calls the handler with one item.
        sink: Where items are stored, if they are.
        pauses: For which errors the stage rests, and how long.
        limits: How much one process does.
        nice: By how much it yields to other processes.
        log_levels: The levels of the supervisor's loggers, by name.
        metered: Whether the calls of the handler are counted.
        grouped: Whether it gets its items in groups.
        hooks: The queues of hooks, if it is one itself.
        maps: Whether all that the handler returns is one result, also None.
        tried: Whether its items are a sample, of which nothing is to stay.
        pipeline: The name of its pipeline.
        concurrency: How many items it works on at the same time, if its handler is asynchronous.
        threads: The same, if it has threads.
        loop: The event loop of its process.
        typed: Decodes items in place of ``codec``, where the handler says what they are.
    """

    name: str
    handle: Handle
    handler: Callable[..., Any]
    extras: frozenset[str]
    context: Lifespan | None
    settings: Any
    routes: Routes
    codec: ItemCodec
    stream: bool = False
    batch: int | None = None
    sink: Sink | FileSink | Tried | None = None
    pauses: Pauses = ()
    limits: Limits = Limits()  # noqa: RUF009 - it is frozen
    nice: int = 0
    log_levels: Mapping[str, int] = field(default_factory=dict)
    metered: bool = False
    grouped: bool = False
    hooks: tuple[int, ...] = ()
    pipeline: str = ""
    concurrency: int | None = None
    threads: int | None = None
    loop: EventLoop = field(default_factory=EventLoop)
    typed: TypedCodec | None = None

    @property
    def at_once(self) -> int:
        """How many items it works on at the same time, at most."""
        return self.concurrency or self.threads or 1

    @property
    def several(self) -> bool:
        """Whether that may be more than one."""
        return self.at_once > 1

    maps: bool = False
    tried: bool = False

    @property
    def encodes(self) -> Encoder:
        """What encodes outputs, where all of them go the same way."""
        return self.routes.codec(self.targets[0], self.codec) if self.targets else self.codec

    @property
    def targets(self) -> tuple[int, ...]:
        """The queue that all outputs go to; none if there is none, or they say it themselves."""
        return () if self.routes.many else tuple(self.routes.feeds.values())

    def connect(self) -> Consumer:
        """Connect this process to the broker."""
        if self.concurrency or self.threads:
            from persistq.client.concurrent import ConcurrentConsumer

            return ConcurrentConsumer(self.handle, self.targets, self.at_once)
        if self.batch is None and self.sink is None and not self.grouped:
            return Consumer(self.handle, self.targets)
        return BatchConsumer(self.handle, self.targets, self.batch or 1)

    def prepare(self, channel: Any) -> Worker[Any]:
        """Make the context in this process."""
        waking.join(self.pipeline, self.handle)
        if self.concurrency or self.threads:
            from persistq.pipeline.concurrent import worker_of

            return worker_of(self, channel)
        if self.sink is not None:
            from persistq.pipeline.storing import SinkWorker

            return SinkWorker(StageBatches(StageCall(self)), self.sink, channel, self.pauses)
        if self.grouped:
            from persistq.pipeline.grouped import GroupedWork
            from persistq.pool.groups import GroupWorker

            return GroupWorker(GroupedWork(self), channel, self.pauses)
        if self.hooks:
            from persistq.pipeline.hooks import HookWork

            return ItemWorker(HookWork(self), channel, self.pauses)
        if self.batch is None:
            return ItemWorker(self.work(), channel, self.pauses)
        batches = StageBatches(StageCall(self))
        return BatchWorker(batches, channel, self.pauses, metered=self.metered)

    @property
    def cleans_up(self) -> bool:
        """Whether the context in this process has to be cleaned up, or handlers be cancelled."""
        awaits = self.concurrency is not None
        return awaits or (self.context is not None and self.context.cleans_up)

    def clean_up(self) -> None:
        """Clean up the context in this process, if there is one, and close the event loop.

        Raises:
            BaseException: Whatever the user's code raises.
        """
        try:
            if self.context is not None:
                self.context.clean_up()
        finally:
            self.loop.close()

    def work(self) -> StageWork:
        """Make what works on its items one by one."""
        if self.maps:
            from persistq.pipeline.mapwork import MapWork

            return MapWork(self)
        if not self.routes.many:
            return StageWork(self)
        from persistq.pipeline.routed import RoutedWork

        return RoutedWork(self)

    def called_with(self) -> dict[str, Any]:
        """Return those arguments of the handler that are the same for all items."""
        extras: dict[str, Any] = {}
        if "settings" in self.extras:
            extras["settings"] = self.settings
        if "ctx" in self.extras and self.context is not None:
            extras["ctx"] = self.context.set_up()
        if "out" in self.extras:
            extras["out"] = outbox_of(self.sink)
        return extras

    def decoded(self, delivery: Delivery) -> Any:
        """Return the value of an item.

        Raises:
            ItemNotReadable: It cannot be decoded here.
            ItemNotValid: It is not what the handler says.
        """
        item_id, codec, payload, _ = delivery
        if self.typed is not None:
            return self.typed.decode(item_id, codec, payload)
        return payload if codec == VALUE else self.codec.decode(item_id, codec, payload)

    def info(self, delivery: Delivery, channel: Channel) -> ItemInfo:
        """Return what a handler may learn about an item."""
        item_id, _, _, attempts = delivery
        checkpoints = Checkpoints(channel, self.codec)
        key = channel.keys.of(item_id)
        extends = channel.extend
        return ItemInfo(item_id, attempts + 1, self.name, key, checkpoints, self.tried, extends)


def outbox_of(sink: Any) -> Any:
    """Return what a handler writes files with, also in a sample, whose sink is another one's."""
    return getattr(sink, "sink", sink).outbox


class StageCall:
    """The handler of a stage with batches or a sink, in one of its processes.

    Args:
        task: The stage.

    Attributes:
        routes: Where outputs may go.
        makes: Whether they go anywhere.
        codec: Encodes them.
        encodes: The same, where all of them go the same way.
        single: Whether it gets items one by one, and not as lists.
    """

    def __init__(self, task: StageTask) -> None:
        self.routes = task.routes
        self.makes = bool(task.targets) or task.routes.many
        self.codec = task.codec
        self.encodes = task.encodes
        self.single = task.batch is None and not task.grouped
        self._task = task
        self._handle = partial(task.handler, **task.called_with())
        self._extras = task.extras

    def open(self, delivery: Delivery, channel: Channel) -> Opened:
        """Return an item that the handler can be called with.

        Raises:
            ItemNotReadable: It cannot be decoded here.
        """
        told = not self._extras.isdisjoint({"item", "items"})
        info = self._task.info(delivery, channel) if told else None
        return Opened(delivery[0], self._task.decoded(delivery), info)

    def __call__(self, batch: Sequence[Opened], conn: Any = None) -> Any:
        """Call the handler, and return what it returns."""
        extras: dict[str, Any] = {"conn": conn} if "conn" in self._extras else {}
        if "item" in self._extras:
            extras["item"] = batch[0].info
        if "items" in self._extras:
            extras["items"] = [item.info for item in batch]
        values = [item.value for item in batch]
        return self._handle(values[0] if self.single else values, **extras)


class StageWork:
    """A stage in one of its processes.

    Args:
        task: The stage.
    """

    def __init__(self, task: StageTask) -> None:
        self._task = task
        self._forks = forking.forks
        self._tells_item = "item" in task.extras
        self._alone = task.routes.alone
        self._encodes = task.encodes
        # Asked for each item.
        self._feeds, self._streams = bool(task.targets), task.stream
        self._decode = (task.typed or task.codec).decode
        self._ready = VALUE if task.typed is None else None
        extras = task.called_with()
        self._handle = partial(task.handler, **extras) if extras else task.handler

    def __call__(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        """Run the handler on one item; return the items for the next stage.

        Crash: what was spooled of them is void, and the item is worked on again.
        """
        item_id, codec, payload, _ = delivery
        value = payload if codec == self._ready else self._decode(item_id, codec, payload)
        if self._tells_item:
            result = self._handle(value, item=self._task.info(delivery, channel))
        else:
            result = self._handle(value)
        if result is None:
            return ()
        return self.made(result, item_id, channel)

    def called(self, delivery: Delivery, channel: Channel) -> Any:
        """Call the handler with an item, and return what it returns."""
        value = self._task.decoded(delivery)
        if self._tells_item:
            return self._handle(value, item=self._task.info(delivery, channel))
        return self._handle(value)

    def made(self, result: Any, item_id: int, channel: Channel) -> Made:
        """Encode what the handler has returned, or yields."""
        outputs, codec = outputs_of(result, self._alone), self._encodes
        if self._feeds and self._streams:
            stream(outputs, codec, partial(self._stream, channel, item_id))
            return ()
        if self._feeds:
            single = isinstance(outputs, tuple)
            return (
                [*map(codec.encode, outputs)]
                if single
                else self._encoded(outputs, item_id, channel)
            )
        for _ in outputs:
            continue  # what a last stage yields goes nowhere, but it yields it to its end
        return ()

    def alone(self, output: Any) -> Any:
        """Return an item that the handler yields, where all goes to the same stage.

        Raises:
            NotAResult: It is none.
        """
        return output_of(output, self._alone)

    def takes_alone(self, item_id: int, channel: Channel) -> KeptByQueue | StreamedByQueue | None:
        """Return what takes outputs one after the other, as of queue 0; None if they go nowhere."""
        if not self._feeds:
            return None
        if self._streams:
            return StreamedByQueue(lambda _: self._encodes, partial(self._stream, channel, item_id))
        return KeptByQueue(lambda _: self._encodes, partial(self._spool, channel, item_id))

    def _encoded(self, outputs: Iterable[Any], item_id: int, channel: Channel) -> Made:
        return encoded(outputs, self._encodes, partial(self._spool, channel, item_id))

    def _spool(
        self, channel: Channel, item_id: int, blocks: list[Block], queue_id: int = 0
    ) -> None:
        """Spool, but not in a child that the handler has forked: the item is its parent's."""
        if self._forks == forking.forks:
            channel.spool(item_id, blocks, queue_id)

    def _stream(
        self,
        channel: Channel,
        item_id: int,
        blocks: list[Block],
        queue_id: int = 0,
        *,
        first: bool,
    ) -> None:
        if self._forks == forking.forks:
            channel.stream(item_id, blocks, queue_id, first=first)
