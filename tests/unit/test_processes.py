"""Who lives, who has ended, and who is only waiting to be collected."""

from __future__ import annotations

import os
import sys

import pytest

from persistq.site.processes import has_ended, lives


def test_a_process_that_runs_has_not_ended() -> None:
    """This one, for example."""
    assert lives(os.getpid())
    assert not has_ended(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it apart")
def test_a_process_that_nobody_has_collected_has_ended() -> None:
    """It is still there, and does nothing any more."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert lives(child)
    assert has_ended(child)
    os.waitpid(child, 0)
    assert not lives(child)
    assert has_ended(child)
