"""Short forms of `make pull` and `make csv`."""

from __future__ import annotations

from pathlib import Path

from . import csvload, pull

PULL_S = 6.0
CSV_BYTES = 60_000_000


def test_a_polled_source_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Whatever the other side is like, and whoever dies."""
    found = pull.soak(tmp_path, PULL_S, seed=7)
    assert not found.problems, found
    assert found.jobs > 100, found


def test_csv_files_are_loaded_line_by_line_once(tmp_path: Path) -> None:
    """Killed, and carried on by offset, in little memory; largest file first."""
    found = csvload.load(tmp_path, CSV_BYTES, kills=3, seed=5)
    assert not found.problems, found
    assert found.kills.total() == 3, found
