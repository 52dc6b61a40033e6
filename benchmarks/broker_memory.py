"""The memory of a running broker."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from persistq.site.finding import site_of

PERIOD_S = 0.25


def memory_of_broker(journal: Path) -> float:
    """Return the resident memory of the broker of a journal, in MB.

    Raises:
        RuntimeError: It has no broker.
    """
    return _resident(_broker_of(journal))


class Sampler:
    """Looks at a broker's memory four times a second, within a ``with`` block.

    Args:
        journal: The broker's journal.
    """

    def __init__(self, journal: Path) -> None:
        self._pid = _broker_of(journal)
        self._samples: list[tuple[float, float]] = []
        self._marked = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Sampler:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def mark(self) -> None:
        """Note that from now on the memory should grow no more."""
        self._marked = time.monotonic() - self._began

    def figures(self) -> dict[str, Any]:
        """Return the largest figure, its growth from half-way to the mark, and all samples."""
        memory = [used for _, used in self._samples]
        half = min(self._samples, key=lambda one: abs(one[0] - self._marked / 2))[1]
        after = max((used for at, used in self._samples if at >= self._marked), default=memory[-1])
        return {"memory_mb": max(memory), "memory_growth": after / half, "memory": self._samples}

    def _look(self) -> None:
        while True:
            at = time.monotonic() - self._began
            self._samples.append((round(at, 2), _resident(self._pid)))
            if self._over.wait(PERIOD_S):
                return


def _broker_of(journal: Path) -> int:
    holder = site_of(str(journal)).holder()
    if holder is None:
        raise RuntimeError(f"{journal} has no broker")
    return holder.peer.pid


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS"))
    else:
        kilobytes = subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)], text=True)
    return round(int(kilobytes) / 1e3, 1)
