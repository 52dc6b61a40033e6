"""The wall clock jumps: it is shown to people, and decides nothing."""

from __future__ import annotations

import json
import time

from persistq.peer import Peer
from persistq.site.runlock import Holder, lock_path

from .loadsite import Site
from .tracing import patched

JUMPING = """\
import itertools, time
from datetime import UTC, datetime, timedelta
from persistq.journal import sqlite

days = itertools.cycle((0, 5, -5, 400, -400))
real = time.time
time.time = lambda: real() + 86400 * next(days)
sqlite.now = lambda: (datetime.now(UTC) + timedelta(days=next(days))).isoformat()
"""


def test_a_wall_clock_that_jumps_changes_nothing(site: Site) -> None:
    """Days to and fro at every look, in the broker; one run is killed, the next one finishes."""
    site.environment = patched(site.home, JUMPING)
    killed = site.run("0", WORK_AT="50", WORK_DO="kill -9 $PPID")
    assert killed.returncode < 0
    site.is_carried_on("2")


def test_a_lock_file_from_the_future_or_the_past_holds_nothing(site: Site) -> None:
    """What counts is the kernel's lock, not the time or the process that its text names."""
    lock = lock_path(str(site.file))
    site.journals.mkdir(mode=0o700)
    for moment in (0.0, time.time() + 10**9):
        holder = Holder(Peer("elsewhere", 1), "pipeline", "load.broker", "token", moment)
        lock.write_text(json.dumps({name: getattr(holder, name) for name in Holder.__slots__}))
        ended = site.run("0")
        assert ended.returncode == 0, ended.stderr
    assert site.command("verify", "load").returncode == 0
