"""The task of a stage's workers: decode an item, call the handler, encode what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.window import Delivery
from persistq.codec import ItemCodec
from persistq.pipeline.stage import ItemInfo, outputs_of
from persistq.wire.messages import Outputs

if TYPE_CHECKING:
    from persistq.channel import Keys


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
    """

    name: str
    handle: Handle
    handler: Callable[..., Any]
    extras: frozenset[str]
    context: Callable[[], Any] | None
    settings: Any
    targets: tuple[int, ...]
    codec: ItemCodec

    def connect(self) -> Consumer:
        """Connect this process to the broker."""
        return Consumer(self.handle)

    def prepare(self) -> StageWork:
        """Make the context in this process."""
        return StageWork(self)


class StageWork:
    """A stage in one of its processes.

    Args:
        task: The stage.
    """

    def __init__(self, task: StageTask) -> None:
        self._task = task
        self._extras: dict[str, Any] = {}
        if "settings" in task.extras:
            self._extras["settings"] = task.settings
        if "ctx" in task.extras and task.context is not None:
            self._extras["ctx"] = task.context()

    def __call__(self, delivery: Delivery, keys: Keys) -> list[Outputs]:
        """Run the handler on one item; return the items for the next stage."""
        task, extras = self._task, self._extras
        item_id, codec, payload, attempts = delivery
        value = task.codec.decode(item_id, codec, payload)
        if "item" in task.extras:
            key = keys.of(item_id)
            info = ItemInfo(item_id, attempts + 1, task.name, key)
            extras = {**extras, "item": info}
        items = outputs_of(task.handler(value, **extras))
        if not items or not task.targets:
            return []
        codecs, payloads = task.codec.encode_many(list(items))
        return [Outputs(target, codecs, payloads) for target in task.targets]
