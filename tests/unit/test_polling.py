"""When a source is asked again."""

from __future__ import annotations

import pytest

from persistq import Retry
from persistq.pipeline.polling import Polling


def test_pauses_stay_finite_however_long_it_is_idle() -> None:
    """They double up to their bound, and stay there for years."""
    polling = Polling(interval=0.1, interval_max=5.0)
    assert [polling.idle(times) for times in (1, 2, 3, 7, 10**9)] == [0.1, 0.2, 0.4, 5.0, 5.0]


@pytest.mark.parametrize(
    ("times", "error", "pause"),
    [
        (1, OSError(), 0.5),
        (2, OSError(), 1.0),
        (3, OSError(), 1.5),
        (3, Retry(7), 7.0),
        (4, OSError(), None),
        (4, Retry(7), None),
    ],
)
def test_errors_in_a_row_are_counted(times: int, error: BaseException, pause: float | None) -> None:
    """One too many ends the load; a source may say how long to wait."""
    polling = Polling(retries=3, backoff=0.5, backoff_max=1.5)
    assert polling.pause(times, error) == pause
