"""A warm interpreter: it has imported everything, and forks for each run of a script.

To start a script and its broker takes most of a second of imports; a matrix of some hundred small
runs would take minutes of nothing else. Forked from here both start at once. That a broker is a
fresh interpreter in truth is what the soak and the tests of queues and pipelines use.

Run as a program it reads one order a line, in JSON, and answers each with the script's process and,
when that has ended, its exit code.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import runpy
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .nemesis import COOKIE, living

POLL_S = 0.002


class WarmInterpreter:
    """Starts scripts without delay; use it as a context manager.

    Attributes:
        cookie: What all processes that come from here carry in their environment.
        pid: The interpreter's own process.
    """

    def __init__(self) -> None:
        self.cookie = secrets.token_hex(8)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.warm"],
            cwd=Path(__file__).parents[2],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")},
                COOKIE: self.cookie,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> WarmInterpreter:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, script: Path, home: Path, environment: dict[str, str]) -> tuple[int, int]:
        """Run a script in a directory; return its process and its exit code.

        What it says goes to the file ``stderr`` there.
        """
        order = {"script": str(script), "home": str(home), "environment": environment}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        pid, code = self._process.stdout.readline().split()
        return int(pid), int(code)

    def offspring(self) -> dict[int, str]:
        """Return the processes that come from here and are still there."""
        found = living(self.cookie)
        found.pop(self.pid, None)
        return found


class _ForkedBroker:
    """What the client needs of the process of a broker that it has started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, like `subprocess.Popen.wait`."""
        deadline = time.monotonic() + (3600 if timeout is None else timeout)
        while self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("broker", timeout or 0)
            else:
                time.sleep(POLL_S)
        return self.returncode

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, 9)


def _fork_broker(opening: Any, theirs: Any, _: float) -> _ForkedBroker:
    """Start a broker as `persistq.client.starting` does, without a fresh interpreter."""
    from persistq.broker.__main__ import main
    from persistq.wire.framing import opening_to_bytes

    if pid := os.fork():
        return _ForkedBroker(pid)
    # Like a fresh program, it has inherited nothing but the one socket.
    os.dup2(theirs.fileno(), 3)
    os.closerange(4, 4096)
    sys.stdin = io.TextIOWrapper(io.BytesIO(opening_to_bytes(opening)))
    code = 1
    try:
        code = main(["3"])
    finally:
        sys.stderr.flush()
        os._exit(code)


def _pretend_newer(scripts: str) -> None:
    """Know one more version of the journal than there is."""
    from persistq.journal import marks, migrate

    marks.SCHEMA_VERSION += 1
    migrate.migrations_directory = lambda path: Path(scripts)


def _become(order: dict[str, Any]) -> None:
    """Be the script of an order from now on."""
    from persistq import failpoints, origin

    errors = os.open(Path(order["home"], "stderr"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    os.chdir(order["home"])
    origin.cwd = order["home"]
    os.environ.update(order["environment"])
    failpoints._armed = failpoints._parse(os.environ.get(failpoints.VARIABLE, ""))
    failpoints._hits = os.environ.get(failpoints.HITS_VARIABLE, "")
    if newer := os.environ.get("SOAK_MIGRATIONS"):
        _pretend_newer(newer)
    sys.argv = [order["script"]]
    code: Any = 0
    try:
        runpy.run_path(order["script"], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # noqa: BLE001 - as at the end of a program
        sys.last_value, code = error, 1
        try:
            sys.excepthook(type(error), error, error.__traceback__)
        except SystemExit as end:
            code = end.code
    # What a program does at its exit, but not the tidying up of all that was imported.
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(int(code or 0))


def _serve() -> dict[str, Any] | None:
    """Fork for each order; return it in the child, and None when there are no more."""
    for line in sys.stdin:
        if not (pid := os.fork()):
            return dict(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(pid, os.waitstatus_to_exitcode(status), flush=True)
    return None


def _warm_up() -> None:
    import alembic.command  # noqa: F401

    import persistq.broker.__main__
    import persistq.journal.migrate
    import persistq.pipeline.pipeline
    import persistq.queues
    import persistq.settings  # noqa: F401
    from persistq.client import starting

    starting._spawn = _fork_broker  # type: ignore[assignment]
    # A collection in a fork would touch, and so copy, every page.
    gc.freeze()


if __name__ == "__main__":
    _warm_up()
    if (order := _serve()) is not None:
        _become(order)
