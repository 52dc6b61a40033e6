"""A worker of a stage with a sink: items are stored with their receipts, each once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from time import monotonic as _now
from typing import TYPE_CHECKING, Any, Final

import msgspec

from persistq import failpoints
from persistq.blocks import Block
from persistq.client.outputs import Made, Routed
from persistq.errors import SinkUnavailable
from persistq.flow import Drop, Failed, Retry
from persistq.items import IdRange, merged, ranges_of
from persistq.pool.batches import BatchWorker
from persistq.pool.task import Opened
from persistq.sinks import Ending, Fault, FileSink, Key, Loader, NotStored, Sink, Tried
from persistq.text.terminal import text_of

if TYPE_CHECKING:
    from persistq.client.batches import BatchConsumer
    from persistq.pipeline.batch import StageBatches
    from persistq.pool.worker import Pauses

PURGED_BATCHES: Final = 1_000
"""After so many stored batches a worker has their done records synced and deletes their receipts,
"""

PURGED_BYTES: Final = 16 << 20
"""and after so many bytes that came of their items."""

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(list[list[Any]] | dict[int, list[list[Any]]]).decode


class SinkWorker(BatchWorker):
    """Stores batches in a sink, one after the other.

    Args:
        work: What is done with each.
        sink: Where the items are stored.
        channel: Where they come from and reports go.
        pauses: As for every `persistq.pool.worker.Worker`.

    Raises:
        UsageError: The sink cannot be used like this.
    """

    def __init__(
        self,
        work: StageBatches,
        sink: Sink | FileSink | Tried,
        channel: BatchConsumer,
        pauses: Pauses = (),
    ) -> None:
        super().__init__(work, channel, pauses)
        self._stage = work
        self._consumer = channel
        self._sink = sink
        self._loader: Loader | None = None
        self._stored: list[list[IdRange]] = []
        self._kept_bytes = 0
        # If it is not there now, the first batch will find it there, or have the stage rest.
        with suppress(SinkUnavailable):
            self._loader = sink.open()

    def leave(self) -> None:
        """Delete the receipts of what is stored, once that is on disk, and take no more.

        Crash: receipts that are left are deleted with all others when the load is settled.
        """
        self._purge()
        if self._loader is not None:
            self._loader.close()
        super().leave()

    def _try(self, name: int, batch: Sequence[Opened]) -> None:
        """Store a batch, and report what became of each item.

        Crash: each item is stored with its receipt, or not. What was not reported is handed out
        again; if its receipt is there, it is done, and what was made of it is in the receipt.
        """
        self._channel.hold(0)
        try:
            loader = self._loader = self._loader or self._sink.open()
        except SinkUnavailable as error:
            self._rest([item.item_id for item in batch], error)
            return
        started = _now()
        keys = self._keys_of([item.item_id for item in batch])
        try:
            endings = loader.load(keys, lambda conn, at: self._stored_by(name, batch, conn, at))
        except Exception as error:  # noqa: BLE001 - files that cannot be finished now, for example
            endings = [NotStored(Fault.AWAY, error)] * len(batch)
        self._channel.hold(name, _now())
        failpoints.point("worker.after_store")
        self._report([item.item_id for item in batch], endings, started)

    def _stored_by(
        self, name: int, batch: Sequence[Opened], conn: Any, places: Sequence[int]
    ) -> list[bytes | None]:
        """Run the handler on some items of a batch, within the transaction of their receipts."""
        part = [batch[place] for place in places]
        self._channel.hold(name, _now())
        failpoints.point("worker.before_handler")
        try:
            results = self._stage.stored(part, conn)
        except (Drop, Retry) as asked:
            self._stay_parent(asked)
            raise Failed(dict.fromkeys(range(len(part)), asked)) from None
        except BaseException as error:
            self._stay_parent(error)
            raise
        self._stay_parent()
        bad = {n: result for n, result in enumerate(results) if isinstance(result, BaseException)}
        if bad:
            raise Failed(bad)
        return [_packed(made) for made in results if not isinstance(made, BaseException)]

    def _report(self, item_ids: Sequence[int], endings: Sequence[Ending], started: float) -> None:
        made, now = dict[int, Made | Routed](), _now()
        failed = dict[int, NotStored]()
        size = 0
        for item_id, ending in zip(item_ids, endings, strict=True):
            if isinstance(ending, NotStored):
                failed[item_id] = ending
            else:
                made[item_id] = _unpacked(ending.outputs)
                size += len(ending.outputs or b"")
        if made:
            self._consumer.done_together(made, now - started, now)
            self._note_stored([*made], size)
        self._report_failed(failed)

    def _report_failed(self, failed: dict[int, NotStored]) -> None:
        waiting = {
            item_id: ending.error
            for item_id, ending in failed.items()
            if ending.fault in {Fault.AWAY, Fault.CONFLICT}
        }
        for item_id, ending in failed.items():
            if item_id not in waiting:
                # What the database refuses, it will refuse again.
                error, final = _without_driver(ending.error), ending.fault is Fault.DATA
                self._report_error(item_id, error, text=_message(error), final=final)
        if waiting:
            self._rest([*waiting], next(iter(waiting.values())))

    def _rest(self, item_ids: list[int], error: BaseException) -> None:
        """Give items back, and have the stage rest: nobody is to blame but the target."""
        known = isinstance(error, SinkUnavailable)
        reason = str(error) if known else f"{self._sink}: {_message(error)}"
        self._consumer.rest(item_ids, reason)

    def _keys_of(self, item_ids: list[int]) -> list[Key]:
        """Return the keys of items, in their order."""
        keys = [
            key
            for one in ranges_of(item_ids)
            for run, first, last in self._channel.keys.runs(*one)
            for key in Key.many(run, first, last)
        ]
        if item_ids == sorted(item_ids):
            return keys
        return [*map({key.item: key for key in keys}.__getitem__, item_ids)]

    def _note_stored(self, item_ids: list[int], size: int = 0) -> None:
        """Note what is stored and reported, and how many bytes are kept of it."""
        self._stored.append(ranges_of(item_ids))
        self._kept_bytes += size
        if len(self._stored) >= PURGED_BATCHES or self._kept_bytes >= PURGED_BYTES:
            self._purge()

    def _purge(self) -> None:
        """Delete the receipts of what this process has stored and reported.

        Their done records are brought to the disk before: a power cut may take those away that
        are committed only.
        """
        if self._loader is None or not self._stored:
            return
        self._consumer.flush()
        stored = merged(one for ranges in self._stored for one in ranges)
        self._stored.clear()
        self._kept_bytes = 0
        try:
            for one in stored:
                for run, first, last in self._channel.keys.runs(*one):
                    self._loader.purge(run, first, last)
        except Exception:  # noqa: BLE001 - the target is away, or busy: they are deleted at the end
            return


def _message(error: BaseException) -> str:
    """Return what the database says, without what SQLAlchemy adds: all rows of the statement."""
    original = getattr(error, "orig", None)
    return text_of(original if isinstance(original, BaseException) else error)


def _without_driver(error: BaseException) -> BaseException:
    """Return an error of SQLAlchemy's without the driver's, which it repeats word for word.

    Its traceback shows frames of theirs alone, and takes as long to write as the row to store.
    """
    if error.__cause__ is not None and error.__cause__ is getattr(error, "orig", None):
        error.__cause__, error.__suppress_context__ = None, True
    return error


def _packed(made: Made | Routed) -> bytes | None:
    return _pack(made) if made else None


def _unpacked(outputs: bytes | None) -> Made | Routed:
    if outputs is None:
        return ()
    found = _unpack(outputs)
    if isinstance(found, dict):
        return {queue_id: _outputs(made) for queue_id, made in found.items()}
    return _outputs(found)


def _outputs(found: list[list[Any]]) -> Made:
    # A block begins with two numbers, one item with a number and its bytes.
    return [Block(*one) if isinstance(one[1], int) else tuple(one) for one in found]
