"""A process that gets signals, and who else has its number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from persistq.site import recipient
from persistq.site.processes import peer_here, this_process
from persistq.site.recipient import Recipient

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")


@pytest.fixture(params=["by descriptor", "by number"])
def child(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that waits, where the kernel gives descriptors of processes, or does not."""
    if request.param == "by number":
        monkeypatch.setattr(recipient, "_descriptor_of", lambda pid: -1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        yield process
        process.kill()


def test_a_process_gets_the_signal(child: subprocess.Popen[bytes]) -> None:
    """And no other one."""
    meant = Recipient(peer_here(child.pid))
    assert meant.signal(signal.SIGTERM)
    assert child.wait(30) == -signal.SIGTERM
    meant.close()
    meant.close()


def test_nobody_gets_the_signal_when_it_has_ended(child: subprocess.Popen[bytes]) -> None:
    """Whoever may have its number by then."""
    meant = Recipient(peer_here(child.pid))
    child.kill()
    child.wait(30)
    assert not meant.signal(signal.SIGTERM)
    meant.close()


def test_another_process_of_that_number_is_not_meant(child: subprocess.Popen[bytes]) -> None:
    """It has started at another time; and if nobody knows when, it is not believed."""
    peer = peer_here(child.pid)
    for started in (peer.started - 1, 0):
        with pytest.raises(ProcessLookupError):
            Recipient(peer._replace(started=started))
    with pytest.raises(ProcessLookupError):
        Recipient(peer._replace(host="elsewhere"))
    assert child.poll() is None


def test_a_number_that_was_given_anew_gets_no_signal(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no descriptors, that is looked at before each signal."""
    monkeypatch.setattr(recipient, "_descriptor_of", lambda pid: -1)
    meant = Recipient(peer_here(child.pid))
    monkeypatch.setattr(recipient, "has_ended", lambda peer: True)
    assert not meant.signal(signal.SIGKILL)
    assert child.poll() is None


@ON_LINUX
def test_no_descriptor_is_left() -> None:
    """Neither of one that was found, nor of one that was not."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    Recipient(this_process()).close()
    with pytest.raises(ProcessLookupError):
        Recipient(this_process()._replace(started=1))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
