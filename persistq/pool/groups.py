"""A worker of groups: one call for all items of a group, which are done or fail together."""

from __future__ import annotations

from time import monotonic as _now
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.pool.worker import Pauses, Worker

if TYPE_CHECKING:
    from persistq.channel import BatchChannel
    from persistq.client.window import Together
    from persistq.pool.task import GroupWork


class GroupWorker(Worker["Together"]):
    """Works on groups, one after the other.

    Args:
        work: What is done with each.
        channel: Where they come from and reports go.
        pauses: As for every `Worker`.
    """

    def __init__(self, work: GroupWork, channel: BatchChannel, pauses: Pauses = ()) -> None:
        super().__init__(channel, channel.get_together, pauses)
        self._groups = channel
        self._work = work

    def attempt(self, got: Together) -> None:
        """Run the handler on a group and report what became of it.

        Crash: what was not reported is worked on again, all of the group.
        """
        name, deliveries = got
        item_ids = [delivery[0] for delivery in deliveries]
        started = _now()
        self._channel.hold(name, started)
        try:
            failpoints.point("worker.before_handler")
            made = self._work(deliveries, self._groups)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is a failure here
            self._stay_parent(error)
            self._report_error(item_ids, error)
        else:
            self._stay_parent()
            failpoints.point("worker.after_handler")
            now = _now()
            # What was made is of all of them, and noted as made of the first.
            results = dict.fromkeys(item_ids, ()) | {item_ids[0]: made}
            self._groups.done_together(results, now - started, now)
        self._channel.hold(0)
