"""Where figures come from: the machine, its disk, and the versions of everything."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from persistq.settings import available_cpus


def machine(place: Path) -> dict[str, Any]:
    """Return what is known about this machine and the disk under a directory."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cpus": available_cpus(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "file_system": file_system(place),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "persistq": version("persistq"),
    }


def version(package: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def file_system(place: Path) -> str:
    """Return the kind of file system that a directory is on."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    points = [line.split()[1:3] for line in mounts.read_text(encoding="utf-8").splitlines()]
    above = [point for point in points if place.resolve().is_relative_to(point[0])]
    return max(above, key=lambda point: len(point[0]))[1] if above else "unknown"


def _processor() -> str:
    with_names = Path("/proc/cpuinfo")
    if with_names.exists():
        found = re.search(r"model name\s*: (.+)", with_names.read_text(encoding="utf-8"))
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
