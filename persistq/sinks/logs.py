"""What drivers write to logs, where that says nothing which is not raised."""

from __future__ import annotations

import logging
from typing import Final

_ABORTED: Final = "error ignored terminating "


class _Filter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_ABORTED)


_filter: Final = _Filter()


def leave_out_aborted_pipelines() -> None:
    """Leave out a warning of psycopg's, in this process.

    Whenever a row of an `executemany` is refused, it says that the rows behind it were not sent. It
    raises the error as well. Who has bad rows among a million would read nothing else.
    """
    logging.getLogger("psycopg").addFilter(_filter)
