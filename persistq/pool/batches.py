"""A worker of batches: one call for many items, and what is done when that raises."""

from __future__ import annotations

from time import monotonic as _now
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.flow import Drop, Retry
from persistq.pool.worker import Pauses, Worker
from persistq.text.terminal import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.channel import BatchChannel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery, Together
    from persistq.pool.task import BatchWork, Opened


class BatchWorker(Worker["Together"]):
    """Works on batches, one after the other.

    Args:
        work: What is done with each.
        channel: Where they come from and reports go.
        pauses: As for every `Worker`.
        metered: Whether somebody counts the calls, so that none may be made beside the batch's own.
    """

    def __init__(
        self,
        work: BatchWork,
        channel: BatchChannel,
        pauses: Pauses = (),
        *,
        metered: bool = False,
    ) -> None:
        super().__init__(channel, channel.get_together, pauses)
        self._batches = channel
        self._work = work
        self._metered = metered

    def attempt(self, got: Together) -> None:
        """Run the handler on a batch and report what became of each item.

        If it raises, nobody knows because of which item, and what it has done is not undone. So
        each item is tried once more, by itself, and by then what it raises is its own. Where calls
        are metered it is handed out again for that.

        Crash: what was not reported is worked on again. The batch is handed out in halves, unless
        its items were tried one by one: then the one at work is blamed.
        """
        name, deliveries = got
        self._channel.hold(name, _now())
        batch = [item for delivery in deliveries if (item := self._opened(delivery)) is not None]
        if batch:
            self._try(name, batch)
        self._channel.hold(0)

    def _count(self, got: Together) -> int:
        return len(got[1])

    def _opened(self, delivery: Delivery) -> Opened | None:
        """Decode an item; one that cannot be fails, and no other."""
        try:
            return self._work.open(delivery, self._batches)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - as in handlers
            self._report_error(delivery[0], error)
            return None

    def _try(self, name: int, batch: Sequence[Opened]) -> None:
        started = _now()
        self._channel.hold(name, started)
        try:
            failpoints.point("worker.before_handler")
            results = self._work(batch)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is a failure here
            self._stay_parent(error)
            self._settle_raised(batch, error, started)
        else:
            self._stay_parent()
            self._settle(batch, results, started)

    def _settle_raised(self, batch: Sequence[Opened], error: BaseException, started: float) -> None:
        if (seconds := self._pause(error)) is not None:
            self._rest_for([item.item_id for item in batch], error, seconds)
            return
        if len(batch) == 1 or isinstance(error, Drop | Retry):
            self._settle(batch, [error] * len(batch), started)
            return
        if self._metered:
            # It is over with them: whoever dies now has not died of one.
            self._channel.hold(0)
            kind = type(error).__qualname__
            self._channel.apart([item.item_id for item in batch], kind, text_of(error))
            return
        for item in batch:
            failpoints.point("worker.before_single")
            self._try(item.item_id, [item])

    def _settle(
        self,
        batch: Sequence[Opened],
        results: Sequence[Made | Routed | BaseException],
        started: float,
    ) -> None:
        failpoints.point("worker.after_handler")
        made, now = dict[int, "Made | Routed"](), _now()
        errors = dict[int, BaseException]()
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                errors[item.item_id] = result
            else:
                made[item.item_id] = result
        if made:
            self._batches.done_together(made, now - started, now)
        for item_id, error in errors.items():
            self._report_error(item_id, error)
