"""The task of a stage's workers: decode an item, call the handler, encode what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from persistq import forking
from persistq.blocks import Block
from persistq.client.batches import BatchConsumer
from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.outputs import Made, encoded, stream
from persistq.client.window import Delivery
from persistq.codec import VALUE, ItemCodec
from persistq.pipeline.batch import StageBatches
from persistq.pipeline.stage import ItemInfo, outputs_of
from persistq.pool.batches import BatchWorker
from persistq.pool.task import Opened
from persistq.pool.worker import ItemWorker, Worker

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.sinks import FileSink, Sink


@dataclass(frozen=True, slots=True)
class StageTask:
    """One stage, as it is sent to its workers.

    Attributes:
        name: The stage's name.
        handle: The run, and the queue to take from.
        handler: The user's function.
        extras: Names of the extra arguments it takes.
        context: Called once in each process; its result is the argument ``ctx``.
        settings: The argument ``settings``.
        targets: The queues that outputs go to; none after the last stage.
        codec: Encodes and decodes items.
        stream: Whether outputs go on at once.
        batch: Most items of one call; None calls the handler with one item.
        sink: Where items are stored, if they are.
    """

    name: str
    handle: Handle
    handler: Callable[..., Any]
    extras: frozenset[str]
    context: Callable[[], Any] | None
    settings: Any
    targets: tuple[int, ...]
    codec: ItemCodec
    stream: bool = False
    batch: int | None = None
    sink: Sink | FileSink | None = None

    def connect(self) -> Consumer:
        """Connect this process to the broker."""
        if self.batch is None and self.sink is None:
            return Consumer(self.handle, self.targets)
        return BatchConsumer(self.handle, self.targets, self.batch or 1)

    def prepare(self, channel: Any) -> Worker[Any]:
        """Make the context in this process."""
        if self.sink is not None:
            from persistq.pipeline.storing import SinkWorker

            return SinkWorker(StageBatches(StageCall(self)), self.sink, channel)
        if self.batch is None:
            return ItemWorker(StageWork(self), channel)
        return BatchWorker(StageBatches(StageCall(self)), channel)

    def called_with(self) -> dict[str, Any]:
        """Return those arguments of the handler that are the same for all items."""
        extras: dict[str, Any] = {}
        if "settings" in self.extras:
            extras["settings"] = self.settings
        if "ctx" in self.extras and self.context is not None:
            extras["ctx"] = self.context()
        return extras

    def decoded(self, delivery: Delivery) -> Any:
        """Return the value of an item.

        Raises:
            ItemNotReadable: It cannot be decoded here.
        """
        item_id, codec, payload, _ = delivery
        return payload if codec == VALUE else self.codec.decode(item_id, codec, payload)

    def info(self, delivery: Delivery, channel: Channel) -> ItemInfo:
        """Return what a handler may learn about an item."""
        item_id, _, _, attempts = delivery
        return ItemInfo(item_id, attempts + 1, self.name, channel.keys.of(item_id))


class StageCall:
    """The handler of a stage with batches or a sink, in one of its processes.

    Args:
        task: The stage.

    Attributes:
        targets: The queues that outputs go to.
        codec: Encodes them.
        single: Whether it gets items one by one, and not as lists.
    """

    def __init__(self, task: StageTask) -> None:
        self.targets = task.targets
        self.codec = task.codec
        self.single = task.batch is None
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
        extras = task.called_with()
        self._handle = partial(task.handler, **extras) if extras else task.handler

    def __call__(self, delivery: Delivery, channel: Channel) -> Made:
        """Run the handler on one item; return the items for the next stage.

        Crash: what was spooled of them is void, and the item is worked on again.
        """
        item_id, codec, payload, _ = delivery
        value = payload if codec == VALUE else self._task.codec.decode(item_id, codec, payload)
        if self._tells_item:
            result = self._handle(value, item=self._task.info(delivery, channel))
        else:
            result = self._handle(value)
        if result is None:
            return ()
        return self._made(result, item_id, channel)

    def _made(self, result: Any, item_id: int, channel: Channel) -> Made:
        """Encode what the handler has returned, or yields."""
        outputs, codec = outputs_of(result), self._task.codec
        if self._task.targets and self._task.stream:
            stream(outputs, codec, partial(self._stream, channel, item_id))
            return ()
        if self._task.targets:
            single = isinstance(outputs, tuple)
            return (
                [*map(codec.encode, outputs)]
                if single
                else self._encoded(outputs, item_id, channel)
            )
        for _ in outputs:
            continue  # what a last stage yields goes nowhere, but it yields it to its end
        return ()

    def _encoded(self, outputs: Iterable[Any], item_id: int, channel: Channel) -> Made:
        return encoded(outputs, self._task.codec, partial(self._spool, channel, item_id))

    def _spool(self, channel: Channel, item_id: int, blocks: list[Block]) -> None:
        """Spool, but not in a child that the handler has forked: the item is its parent's."""
        if self._forks == forking.forks:
            channel.spool(item_id, blocks)

    def _stream(self, channel: Channel, item_id: int, blocks: list[Block], *, first: bool) -> None:
        if self._forks == forking.forks:
            channel.stream(item_id, blocks, first=first)
