"""A skip is for machines that cannot run a test; on the machine that must run all, it is a failure.

That machine says ``CI=true``. What may be skipped there is the list below, and nothing else: a tool
that is missing, or a condition that has become wrong, would otherwise take tests away in silence.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

MAY_BE_SKIPPED = {
    "matplotlib comes with the extra `bench`": "it is not among what tests need",
    "Redis is a rival of benchmarks only": "it is not among what tests need",
    "mounting a file system needs root": "only some of the machines that run all are root's",
    "mounting an image needs root, loop devices and mkfs.ext4": "containers have no loop devices",
    "mounting is not possible here": "containers may forbid it",
    "this user may write everywhere": "root may, and other tests need root",
    "measured through /proc": "macOS has none",
    "namespaces need Linux": "macOS has none",
    "namespaces are refused": "containers may forbid them",
    "nothing tells of it elsewhere": "macOS has no locks of open files",
    "only Linux tells it": "macOS has no namespaces, and no boot has a name",
    "this file system takes names in UTF-8 only": "that of macOS does",
    "this system has no /dev/full": "macOS has none",
}
"""How the reason of a skip begins that is no failure, and why it cannot be helped."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at the end of each test, its setup and its teardown."""
    return failed_if_unexpected((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at each module: it may be skipped whole."""
    return failed_if_unexpected((yield))


def must_run_all() -> bool:
    """Return whether this machine has to run every test that it can."""
    return os.environ.get("CI") == "true"


def may_be_skipped(reason: str) -> bool:
    """Return whether a skip for this reason is no failure anywhere."""
    return reason.startswith(tuple(MAY_BE_SKIPPED))


def failed_if_unexpected(report: Report) -> Report:
    """Make a failure of a skip for a reason that is not in the list, where all must be run."""
    if must_run_all() and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not may_be_skipped(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped where every test has to run: {reason}"
    return report
