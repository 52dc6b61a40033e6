"""Who lives, who has ended, who is only waiting to be collected, and who cannot be known."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from persistq.peer import Peer
from persistq.site.credentials import peer_of
from persistq.site.processes import (
    VARIABLE,
    has_ended,
    peer_here,
    shares_kernel,
    this_host,
    this_process,
)

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")


def test_a_process_that_runs_has_not_ended() -> None:
    """This one, for example."""
    assert has_ended(this_process()) is False


@ON_LINUX
def test_a_process_that_nobody_has_collected_has_ended() -> None:
    """It is still there, and does nothing any more."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    peer = peer_here(child)
    assert has_ended(peer) is True
    os.waitpid(child, 0)
    assert has_ended(peer) is True


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="no start is known")
def test_a_number_that_was_given_again_is_another_process() -> None:
    """The one that was meant is gone, although its number lives."""
    me = this_process()
    assert me.started > 0
    assert has_ended(me._replace(started=me.started - 1)) is True
    assert has_ended(me._replace(started=0)) is False


def test_nothing_is_known_of_a_process_on_another_host() -> None:
    """Neither that it lives, because its number does here, nor that it is dead."""
    assert has_ended(this_process()._replace(host="elsewhere")) is None
    assert has_ended(Peer("elsewhere", 1 << 30)) is None


def test_a_declared_host_tells_places_apart_or_declares_them_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it is named is what counts, and what people read."""
    here = this_process()
    monkeypatch.setenv(VARIABLE, "left")
    left = this_process()
    assert (left.host, left.node, str(left)) == ("left", "left", f"process {os.getpid()} on left")
    assert has_ended(here) is None
    assert (shares_kernel(here.host), shares_kernel(left.host)) == (False, True)
    monkeypatch.setenv(VARIABLE, "right")
    assert has_ended(left) is None
    monkeypatch.delenv(VARIABLE)
    assert has_ended(here) is False


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 101, "\n"])
def test_what_cannot_name_a_host_names_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings refuse it with a sentence; nobody is told another thing before."""
    here = this_host()
    monkeypatch.setenv(VARIABLE, name)
    assert this_host() == here


@ON_LINUX
def test_a_host_is_a_boot_and_a_namespace_of_numbers() -> None:
    """Two containers on one machine are two hosts, whose sockets can be reached."""
    boot, namespace = this_host().split("/")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert namespace.isdecimal()
    assert shares_kernel(f"{boot}/1")
    assert not shares_kernel(f"another-{boot}/{namespace}")


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    """With its start, so that nobody else is taken for it later."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours) == this_process()


def test_nobody_is_at_the_other_end_of_another_kind_of_socket() -> None:
    """Only local sockets have a process there."""
    with socket.socket(socket.AF_INET) as sock:
        assert peer_of(sock) is None
