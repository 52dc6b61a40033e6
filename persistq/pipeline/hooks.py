"""Hooks: functions that are called in a worker when a load is settled, or has parked items."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from persistq.client.connection import Connection
from persistq.outcome import Outcome
from persistq.pipeline.stageoptions import stage_of
from persistq.pipeline.summary import Summary, inputs_in
from persistq.pipeline.task import StageTask, StageWork
from persistq.pool.conclusion import Conclusion
from persistq.wire.messages import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from persistq.channel import Channel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery
    from persistq.pipeline.stage import Stage
    from persistq.policy import HookOptions, StageOptions

When = Literal["settled", "failed"]


def hook_of(
    function: Callable[..., Any], when: When, options: HookOptions, name: str = ""
) -> Stage:
    """Make the hidden stage of a hook; it is called ``on_settled`` or ``on_failed``, or by a name.

    Raises:
        UsageError: The function takes no summary or unknown parameters, or a call of it would not
            do its work.
    """
    stage = stage_of(function, cast("StageOptions", {**options, "name": name or f"on_{when}"}))
    return replace(stage, workers=1, hook=when, after=())


class HookWork(StageWork):
    """A hook in its process: what it is called with is where the load stands at that moment.

    Args:
        task: Its hidden stage.
    """

    def __call__(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        """Call the hook; nothing is made of its item.

        Crash: it is called again.
        """
        extras = {"item": self._task.info(delivery, channel)} if self._tells_item else {}
        result = self._handle(summary_at(self._task), **extras)
        return self.made(result, delivery[0], channel)


def summary_at(task: StageTask) -> Summary:
    """Return where the load stands, hooks left out."""
    handle = task.handle
    connection, welcome = Connection.dial(handle, Role.CONTROL)
    connection.close()
    queues = tuple(queue for queue in welcome.queues if queue.queue_id not in task.hooks)
    concluded = Conclusion(Outcome.DONE, "", queues)
    return Summary(
        name=handle.name,
        load_id=welcome.load_id,
        outcome=Outcome.DONE,
        reason="",
        done=concluded.done,
        dropped=concluded.dropped,
        parked=concluded.parked,
        outstanding=concluded.outstanding,
        journal=handle.journal,
        exit_code=concluded.exit_code,
        inputs=inputs_in(welcome, queues),
        results=concluded.results,
    )
