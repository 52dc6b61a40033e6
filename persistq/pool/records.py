"""Records of `logging`, from a worker to the handlers of its supervisor."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from persistq.pool.capture import LOGGED, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from persistq.pool.telling import Teller

_pack: Final = msgspec.msgpack.Encoder().encode
_SIMPLE: Final = (str, int, float, bool, type(None))
_formatter: Final = logging.Formatter()


class Sending(logging.Handler):
    """Tells records to the supervisor.

    Args:
        teller: Where to.
        at_work: Says which item a record belongs to, and which attempt at it.
    """

    def __init__(self, teller: Teller, at_work: Callable[[], tuple[int, int]]) -> None:
        super().__init__()
        self._teller = teller
        self._at_work = at_work

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a record; in a process that a handler has forked, to nobody."""
        if not self._teller.is_own:
            return
        try:
            told = Record(*self._at_work(), _portable(record))
            self._teller.tell(LOGGED + _pack(told))
        except Exception:  # noqa: BLE001 - logging's own way with what cannot be logged
            self.handleError(record)


def _portable(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record as values that any process understands."""
    fields = {name: value for name, value in vars(record).items() if isinstance(value, _SIMPLE)}
    fields["msg"], fields["args"] = record.getMessage(), None
    if record.exc_info:
        fields["exc_text"] = record.exc_text or _formatter.formatException(record.exc_info)
    fields["exc_info"] = None
    clean: dict[str, Any] = {name: _clean(value) for name, value in fields.items()}
    return clean


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    # MessagePack has no larger ones.
    big = isinstance(value, int) and not -(2**63) <= value < 2**64
    return str(value) if big else value


def send_all(
    teller: Teller, at_work: Callable[[], tuple[int, int]], levels: Mapping[str, int]
) -> None:
    """Have all that is logged in this process told, in place of what handled it before.

    Args:
        teller: Where to.
        at_work: Says which item a record belongs to, and which attempt at it.
        levels: The levels of the supervisor's loggers, by name.
    """
    sending = Sending(teller, at_work)
    root = logging.getLogger()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for logger in [root, *map(logging.getLogger, [*logging.Logger.manager.loggerDict])]:
        # The supervisor has those handlers, and its own idea of who hands on to whom.
        logger.handlers[:] = [] if logger.propagate and logger is not root else [sending]


def handle(record: Record, **fields: Any) -> None:
    """Hand a worker's record to the handlers of this process.

    Args:
        record: What the worker has logged.
        **fields: What it is about, see `persistq.logs.FIELDS`; these are attributes of the record.
    """
    known = {"attempt": record.attempt, "worker": record.fields.get("process") or 0, **fields}
    whole = logging.makeLogRecord(record.fields | known)
    logger = logging.getLogger(whole.name)
    if logger.isEnabledFor(whole.levelno):
        logger.handle(whole)
