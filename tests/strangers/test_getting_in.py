"""Who can reach a broker, and whom a client believes."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rawclient import (
    connected,
    exactly,
    handle_of,
    heard,
    hello_of,
    introduced,
    is_closed,
    proven,
    say,
    socket_of,
)

from persistq import DONE, BrokerLost, PersistentQueue
from persistq.blocks import block_of
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.errors import BrokerSilent, JournalUnavailable
from persistq.peer import Peer
from persistq.site import endpoint
from persistq.site.endpoint import Endpoint, NotPrivate
from persistq.site.processes import this_process
from persistq.site.runlock import Holder, holder_of, lock_path
from persistq.wire import handshake
from persistq.wire.framing import frame
from persistq.wire.handshake import GREETING_BYTES, PROOF_BYTES, BrokerSide, ClientSide, Stranger
from persistq.wire.messages import Flush, Hello, Put, Role, Take

Opener = Callable[..., PersistentQueue[Any]]
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

ANOTHER = """
import os, socket, sys
path = sys.argv[1]
os.setgid(65534); os.setuid(65534)
for place in (path, os.path.dirname(path)):
    try:
        os.stat(place) if place == path else os.listdir(place)
        print("sees", place)
    except PermissionError:
        print("denied")
try:
    socket.socket(socket.AF_UNIX).connect(path)
    print("connected")
except PermissionError:
    print("denied")
"""


def works(queue: PersistentQueue[Any], value: object = "work") -> bool:
    """Return whether an item goes through a queue."""
    queue.put(value)
    got = queue.get(timeout=30)
    queue.task_done()
    return bool(got == value)


@needs_root
def test_another_user_cannot_reach_the_socket(open_queue: Opener, tmp_path: Path) -> None:
    """Not even where all directories above it are open to everybody."""
    queue = open_queue()
    path = socket_of(queue)
    above = [place for place in path.parent.parents if place.owner() == "root"]
    modes = {place: stat.S_IMODE(place.stat().st_mode) for place in above}
    try:
        for place, mode in modes.items():
            place.chmod(mode | 0o055)
        done = subprocess.run(
            [sys.executable, "-c", ANOTHER, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        for place, mode in modes.items():
            place.chmod(mode)
    assert done.stdout.split() == ["denied"] * 3
    assert works(queue)


def names_of(pid: int) -> list[str]:
    """Return the names of a process's sockets, as far as the system tells it."""
    sockets = Path("/proc/net/unix")
    if not sockets.exists():
        return []
    inodes = {path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for line in sockets.read_text().splitlines()[1:]]
    return [line[7] for line in lines if f"socket:[{line[6]}]" in inodes and len(line) > 7]


def test_nothing_listens_where_names_are_public(open_queue: Opener) -> None:
    """The only socket is a file, in a directory that is closed to everybody else."""
    queue = open_queue()
    path = socket_of(queue)
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    names = names_of(queue._presence._leaving.run.broker.pid)
    assert [name for name in names if name.startswith("@")] == []
    queue.release()
    assert not path.parent.exists()


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_umask_does_not_matter(open_queue: Opener, umask: int) -> None:
    """The directory is closed to others, and open to its user."""
    before = os.umask(umask)
    try:
        queue = open_queue()
    finally:
        os.umask(before)
    assert stat.S_IMODE(socket_of(queue).parent.stat().st_mode) == 0o700
    assert works(queue)


@contextmanager
def listening(directory: Path, mode: int = 0o700) -> Iterator[socket.socket]:
    """Listen in a directory as a broker does."""
    place = Endpoint(directory / "socket")
    directory.chmod(mode)
    try:
        yield place.listener
    finally:
        directory.chmod(0o700)
        place.close()


def dial(directory: Path, token: str = "token", patience: float = 30.0) -> Connection:
    """Connect as a client of a run."""
    handle = Handle(
        "work", "work.db", str(directory / "socket"), token, "family", 1, 1, 0.0, patience
    )
    return Connection.dial(handle, Role.CONTROL)[0]


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777])
def test_directory_that_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    """It is not entered, and nothing is said there."""
    with listening(tmp_path / "work.broker", mode) as listener:
        with pytest.raises(JournalUnavailable, match=r"others can get into .*work\.broker"):
            dial(tmp_path / "work.broker")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@needs_root
def test_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has it could put his own socket there."""
    with listening(tmp_path / "work.broker"):
        os.chown(tmp_path / "work.broker", NOBODY, NOBODY)
        with pytest.raises(JournalUnavailable, match=f"belongs to user {NOBODY}"):
            dial(tmp_path / "work.broker")


def test_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    """Where a link leads may change between two looks."""
    with listening(tmp_path / "real"):
        (tmp_path / "work.broker").symlink_to("real")
        with pytest.raises(BrokerLost):
            dial(tmp_path / "work.broker")


LISTENER = """
import os, socket, sys, time
listener = socket.socket(fileno=int(sys.argv[1]))
os.setgid(65534); os.setuid(65534)
listener.listen(5)
print("listening", flush=True)
sock, _ = listener.accept()
print(sock.recv(100), flush=True)
"""


@needs_root
def test_listener_of_another_user_is_refused(tmp_path: Path) -> None:
    """The kernel says whose process listens; it hears nothing."""
    directory = tmp_path / "work.broker"
    with listening(directory) as listener:
        other = subprocess.Popen(
            [sys.executable, "-c", LISTENER, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "listening\n"
        # A user who is not root would also be refused by root's own rights.
        with pytest.raises(JournalUnavailable, match=f"a process of user {NOBODY} listens"):
            dial(directory)
        assert other.communicate(timeout=30)[0] == "b''\n"


CLIENT = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
place = os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY)
os.setgid(65534); os.setuid(65534)
os.fchdir(place)
sock.connect(os.path.basename(sys.argv[1]))
sock.settimeout(30)
try:
    sock.sendall(bytes.fromhex(sys.argv[2]))
    print(sock.recv(100))
except ConnectionError:
    print(b"")
"""


@needs_root
def test_client_of_another_user_is_turned_away(open_queue: Opener) -> None:
    """Should he ever get a way to the socket, the kernel says who he is."""
    queue = open_queue()
    path = socket_of(queue)
    path.chmod(0o777)
    path.parent.chmod(0o777)
    greeting = ClientSide(handle_of(queue).token).greeting.hex()
    command = [sys.executable, "-c", CLIENT, str(path), greeting]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    path.parent.chmod(0o700)
    assert done.stdout == "b''\n"
    assert works(queue)


# --- the proofs ---


def test_client_without_the_token_gets_nothing(open_queue: Opener) -> None:
    """It sees that the broker is not its own; if it goes on, that is the end of the connection."""
    queue = open_queue()
    queue.put("secret")
    queue.flush()
    with pytest.raises(Stranger):
        proven(queue, "wrong")
    said = (hello_of(queue, Role.CONSUMER), Take(1, 0), Put(1, [block_of(0, [b"1"])]), Flush(1))
    with connected(queue) as client:
        client.sendall(ClientSide("wrong").greeting)
        exactly(client, GREETING_BYTES + PROOF_BYTES)
        client.sendall(bytes(PROOF_BYTES) + b"".join(map(frame, said)))
        assert heard(client) == []
    assert [*queue.outstanding()] == ["secret"]


def test_proof_cannot_be_used_again(open_queue: Opener) -> None:
    """What was right once is wrong in the next conversation."""
    queue = open_queue()
    side = ClientSide(handle_of(queue).token)
    with connected(queue) as first, connected(queue) as second:
        for client in (first, second):
            client.sendall(side.greeting)
        greeting, proof = exactly(first, GREETING_BYTES), exactly(first, PROOF_BYTES)
        mine = side.prove(greeting, proof)
        first.sendall(mine)
        other = exactly(second, GREETING_BYTES + PROOF_BYTES)
        assert other[:GREETING_BYTES] != greeting
        assert other[GREETING_BYTES:] != proof
        second.sendall(mine)
        say(second, hello_of(queue, Role.CONTROL))
        assert heard(second) == []
        say(first, hello_of(queue, Role.CONTROL))
        assert first.recv(1)


def test_proof_cannot_be_sent_back(open_queue: Opener) -> None:
    """Who does not know the token cannot have the broker make his proof."""
    queue = open_queue()
    with connected(queue) as client:
        client.sendall(ClientSide("").greeting)
        exactly(client, GREETING_BYTES)
        client.sendall(exactly(client, PROOF_BYTES))
        say(client, hello_of(queue, Role.CONTROL))
        assert heard(client) == []


def test_token_does_not_cross_the_socket(tmp_path: Path) -> None:
    """Not in any form that is said before both are proven, nor after it."""
    token, said = "0123456789abcdef" * 2, bytearray()
    with listening(tmp_path / "work.broker") as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                side = BrokerSide(token)
                while side.wanted:
                    said.extend(data := exactly(sock, side.wanted))
                    sock.sendall(side.answer(data))
                said.extend(sock.recv(1 << 16))

        broker = threading.Thread(target=answer)
        broker.start()
        with pytest.raises(BrokerLost):
            dial(tmp_path / "work.broker", token)
        broker.join()
    assert len(said) > GREETING_BYTES + PROOF_BYTES
    assert token.encode() not in said
    assert bytes.fromhex(token) not in said


@pytest.mark.parametrize(
    "answer",
    [
        ClientSide("").greeting + bytes(PROOF_BYTES),
        b"HTTP/1.1 400 Bad Request\r\n" * 9,
        b"persistq",
        b"",
    ],
    ids=["a greeting and no proof", "another protocol", "half a greeting", "nothing"],
)
def test_impostor_is_told_nothing(tmp_path: Path, answer: bytes) -> None:
    """A client that hears no proof says no more than random bytes, and believes nothing."""
    said = bytearray()
    with listening(tmp_path / "work.broker") as listener:

        def play() -> None:
            sock, _ = listener.accept()
            with sock:
                said.extend(exactly(sock, GREETING_BYTES))
                sock.sendall(answer)
                sock.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):
                    while data := sock.recv(1 << 16):
                        said.extend(data)

        impostor = threading.Thread(target=play)
        impostor.start()
        with pytest.raises(BrokerLost):
            dial(tmp_path / "work.broker")
        impostor.join()
    assert len(said) == GREETING_BYTES


# --- other releases ---


def test_client_of_another_release_is_told(
    open_queue: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with both, and what to do; the run is not disturbed."""
    queue = open_queue()
    with monkeypatch.context() as patch:
        patch.setattr(handshake, "PROTOCOL", handshake.PROTOCOL + 1)
        patch.setattr("persistq.__version__", "9.8.7")
        with pytest.raises(JournalUnavailable) as caught:
            PersistentQueue("work")
    text = str(caught.value)
    assert caught.value.exit_code == 4
    assert "it is persistq 0.1.0 (protocol 1)" in text
    assert "this program has persistq 9.8.7 (protocol 2)" in text
    assert "use one release for both" in text
    assert works(queue)


NEWER = """
import sys
import persistq
from persistq.wire import handshake
from persistq.client import starting

persistq.__version__, handshake.PROTOCOL = "9.8.7", 2
if len(sys.argv) > 1:
    starting.opening_to_bytes = lambda opening: b"{}"
try:
    persistq.PersistentQueue("work")
except persistq.JournalError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("args", [(), ("another opening",)])
def test_broker_of_another_release_at_start_is_told(run_script: Any, args: tuple[str]) -> None:
    """As when persistq is upgraded while a program runs that then opens its first queue."""
    done = run_script(NEWER, *args)
    assert (done.returncode, done.stderr) == (4, "")
    assert "it is persistq 0.1.0 (protocol 1), and this program has persistq 9.8.7" in done.stdout


# --- places ---


def test_long_paths_work(
    open_queue: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path has about a hundred bytes, a journal's five hundred."""
    directory = tmp_path.joinpath(*["d" * 150] * 2)
    queue = open_queue("n" * 100, journal=directory)
    assert socket_of(queue).exists()
    assert works(queue)
    queue.release()
    assert not socket_of(queue).parent.exists()


def without_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a system whose descriptors have no paths, as macOS."""
    monkeypatch.setattr(endpoint, "DESCRIPTORS", Path("/nonexistent"))


def test_long_paths_work_without_paths_of_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short directory serves instead; it is private too."""
    without_descriptors(monkeypatch)
    journal = tmp_path.joinpath(*["d" * 100] * 2, "work.db")
    journal.parent.mkdir(parents=True)
    beside, short, _ = endpoint.addresses(str(journal))
    assert endpoint.listen(str(journal), beside) is None
    assert not endpoint.directory_of(str(journal)).exists()
    place = endpoint.listen(str(journal), short)
    assert place is not None
    assert stat.S_IMODE(Path(short).parent.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as client:
        endpoint.connect(client, endpoint.place_of(str(journal), short), time.monotonic() + 30)
    place.close()
    assert not Path(short).parent.exists()


def test_short_paths_need_no_paths_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The usual case on macOS."""
    without_descriptors(monkeypatch)
    monkeypatch.chdir(tmp_path)
    with listening(Path("work.broker")), socket.socket(socket.AF_UNIX) as client:
        endpoint.connect(client, Path("work.broker/socket"), time.monotonic() + 30)


def test_file_system_without_sockets_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another place is taken."""

    class Bindless(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Bindless)
        assert endpoint.listen(str(tmp_path / "work.db"), "work.broker/socket") is None
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("odd", ["/nonexistent", "relative/and/missing", "/dev/null", "\udce4"])
def test_environment_of_temporary_files_does_not_matter(run_script: Any, odd: str) -> None:
    """The socket lies beside the journal."""
    text = (
        "from persistq import PersistentQueue\n"
        "queue = PersistentQueue('work')\n"
        "queue.put(1)\n"
        "print(queue.get())\n"
        "queue.task_done()\n"
    )
    done = run_script(text, TMPDIR=odd, XDG_RUNTIME_DIR=odd)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


def test_second_path_to_a_journal_finds_its_broker(open_queue: Opener, tmp_path: Path) -> None:
    """As through a bind mount: the address is relative to the journal."""
    queue = open_queue()
    holder = holder_of(lock_path(queue.journal))
    assert holder is not None
    assert not Path(holder.address).is_absolute()


# --- what a killed broker leaves ---


def test_next_broker_removes_the_socket_of_a_killed_one(open_queue: Opener, tmp_path: Path) -> None:
    """It lies beside the new one's, and nothing of either is left at the end."""
    queue = open_queue()
    old = socket_of(queue)
    os.kill(queue._presence._leaving.run.broker.pid, signal.SIGKILL)
    queue._presence._leaving.run.broker.wait(30)
    assert old.exists()
    with pytest.raises(BrokerLost):
        queue.qsize()
    again = open_queue()
    assert not old.exists()
    assert socket_of(again).parent == old.parent
    assert works(again)
    again.release()
    assert not old.parent.exists()


def test_next_broker_removes_the_socket_that_lay_elsewhere(
    open_queue: Opener, tmp_path: Path
) -> None:
    """Where the killed broker has listened stands in the lock file."""
    queue = open_queue()
    queue.release()
    elsewhere = tmp_path / "persistq-0123456789abcdef"
    left = Endpoint(elsewhere / "socket")
    left.listener.close()
    lock = lock_path(queue.journal)
    holder = Holder(Peer("host", 1), "queue", str(elsewhere / "socket"), "token", 0.0)
    lock.write_text(json.dumps(asdict(holder)))
    assert works(open_queue())
    assert not elsewhere.exists()


def test_broker_that_was_overtaken_takes_nothing_from_the_next(tmp_path: Path) -> None:
    """Each has a socket of its own, and the directory goes with the last one."""
    directory = tmp_path / "work.broker"
    first, second = Endpoint(directory / "one"), Endpoint(directory / "two")
    first.close()
    with socket.socket(socket.AF_UNIX) as client:
        endpoint.connect(client, directory / "two", time.monotonic() + 30)
    second.close()
    assert not directory.exists()


def test_what_is_left_is_told_from_what_is_alive(tmp_path: Path) -> None:
    """The next broker may have come by a lock file of its own, because the first was deleted."""
    journal = str(tmp_path / "work.db")
    alive, dead = Endpoint(tmp_path / "work.broker/alive"), Endpoint(tmp_path / "work.broker/dead")
    dead.listener.close()
    for place in endpoint.beside(journal):
        with suppress(OSError):
            endpoint.remove_dead(place)
    assert [place.name for place in endpoint.beside(journal)] == ["alive"]
    alive.close()
    assert not (tmp_path / "work.broker").exists()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_not_a_brokers_is_left_alone(open_queue: Opener, tmp_path: Path, kind: str) -> None:
    """One sentence says what is in the way."""
    place = tmp_path / ".persistq" / "work.broker"
    place.parent.mkdir(mode=0o700)
    if kind == "file":
        place.write_text("mine")
    else:
        (tmp_path / "target").mkdir()
        place.symlink_to(tmp_path / "target")
    with pytest.raises(JournalUnavailable, match=r"work\.broker"):
        open_queue()
    assert place.exists()


def test_silent_broker_is_not_waited_for_without_limit(tmp_path: Path) -> None:
    """One that takes the connection and says nothing, as a stopped one does."""
    with listening(tmp_path / "work.broker"):
        started = time.monotonic()
        with pytest.raises(BrokerSilent, match=r"not answered within 0\.2 s"):
            dial(tmp_path / "work.broker", patience=0.2)
        assert time.monotonic() - started < 10


def test_full_line_at_the_broker_is_not_waited_for_without_limit(tmp_path: Path) -> None:
    """Nobody is let in, and there is no room to wait."""
    with listening(tmp_path / "work.broker") as listener:
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            try:
                endpoint.connect(sock, tmp_path / "work.broker" / "socket", time.monotonic())
            except TimeoutError:
                break
        with pytest.raises(BrokerSilent):
            dial(tmp_path / "work.broker", patience=0.2)
        for sock in waiting:
            sock.close()


def test_introduction_comes_once(open_queue: Opener) -> None:
    """A client is what it has said first."""
    queue = open_queue()
    with introduced(queue, Role.PRODUCER) as client:
        say(client, Hello(this_process(), "other", Role.CONSUMER, 1))
        assert is_closed(client)
    assert works(queue)
    queue.close()
    assert queue.get() is DONE


def test_not_private_is_said_of_the_listener() -> None:
    """The reason names who it is."""
    assert str(NotPrivate("a process of user 7 listens")) == "a process of user 7 listens"
