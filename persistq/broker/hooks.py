"""The queues that get their only item at the end of a load, with which their function is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import json

from persistq import failpoints
from persistq.blocks import JSON, block_of

if TYPE_CHECKING:
    from persistq.broker.intake import Intake
    from persistq.journal.queuerow import QueueRow


class Hooks:
    """Puts the items of hooks.

    Args:
        rows: The queues by number.
        intake: Where items are put.

    Attributes:
        when: When each queue that is a hook's gets its item: ``settled``, or ``failed``.
    """

    def __init__(self, rows: Mapping[int, QueueRow], intake: Intake) -> None:
        self.when: dict[int, str] = {}
        self._rows = rows
        self._intake = intake

    def call(self, hook: QueueRow) -> None:
        """Put the item of a hook, with which its function is called; nothing if it is not wanted.

        Crash: it is recorded with the end of the last other item, so it is never forgotten.
        """
        counts = self._counts()
        wanted = self.when[hook.queue_id] == "settled" or counts["parked"]
        # One that is outstanding still was retried by hand; it is called now.
        if wanted and not hook.outstanding:
            failpoints.point("broker.before_hook")
            payload = json.encode({"load": hook.load_id, **counts})
            self._intake.put(hook.queue_id, [block_of(JSON, [payload])], synced=True)

    def _counts(self) -> dict[str, int]:
        """Return what has become of all items but those of hooks, and results."""
        apart = {*self.when, *self._intake.results}
        rows = [row for row in self._rows.values() if row.queue_id not in apart]
        return {
            name: sum(getattr(row, name) for row in rows) for name in ("done", "dropped", "parked")
        }
