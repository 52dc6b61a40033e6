"""The work of `persistq.map`: what the function returns is one result, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.pipeline.callables import require_result
from persistq.pipeline.task import StageWork
from persistq.promises import is_plain

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery


class MapWork(StageWork):
    """The function of a map in one of its processes."""

    def __call__(self, delivery: Delivery, _: Channel) -> Made | Routed:
        """Call the function; None is a result like any other.

        Crash: the function is called again.
        """
        result = self._handle(self._task.decoded(delivery))
        kind: Any = type(result)
        if not is_plain(result, kind):
            require_result(result, "the function")
        return (self._encodes.encode(result),)
