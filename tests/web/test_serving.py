"""``persistq serve``: where it listens, who it tells, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from .asking import TOKEN, Begin, Serve

LIMIT_S = 30
COMMAND = (sys.executable, "-m", "persistq.cli", "serve", "--port", "0")


def refused(*options: str, cwd: Path, **environment: str) -> str:
    """Return why the command does not begin."""
    done = subprocess.run(
        [*COMMAND, *options],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


@contextmanager
def entered(url: str) -> Iterator[httpx2.Client]:
    """Come in by the address of the terminal."""
    with httpx2.Client(base_url=url.partition("?")[0], timeout=LIMIT_S) as client:
        assert client.get(url).status_code == 303
        yield client


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_while_a_page_is_followed(begin: Begin, serve: Serve, number: int) -> None:
    """Ctrl-C is how it ends, and no failure."""
    begin().put(1)
    with (
        serve() as served,
        entered(served.url) as client,
        client.stream("GET", "/live?at=/") as stream,
    ):
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "event: parts"
        assert "journal-sales" in next(lines)
        served.process.send_signal(number)
        code = served.process.wait(4)
        assert served.process.stderr is not None
        told = served.process.stderr.read()
    assert code == (0 if number == signal.SIGINT else -signal.SIGTERM)
    assert told.count("\n") == 1
    assert "Ctrl-C ends it" in told


def test_each_address_is_told_on_the_terminal_when_the_one_before_was_used(
    begin: Begin, serve: Serve
) -> None:
    """And nothing else is: no token, no request."""
    begin()
    with serve() as served:
        first = served.url
        with entered(first) as client:
            assert client.get("/").status_code == 200
        assert served.process.stdout is not None
        second = served.process.stdout.readline().strip()
        assert second != first
        with entered(second) as client:
            assert client.get("/").status_code == 200
        parts = urlsplit(first)
        with socket.create_connection((parts.hostname, parts.port)) as rude:
            rude.sendall(b"\x16\x03nonsense\r\n\r\n")
            rude.recv(1000)
        served.process.send_signal(signal.SIGINT)
        _, told = served.process.communicate(timeout=LIMIT_S)
    assert told.count("\n") == 1


def test_an_address_that_others_reach_needs_tokens(tmp_path: Path) -> None:
    """Long ones."""
    assert "give tokens" in refused("--host", "0.0.0.0", cwd=tmp_path)
    short = refused("--host", "0.0.0.0", cwd=tmp_path, PERSISTQ_WEB_TOKENS="hunter2")
    assert "could be guessed" in short
    assert "hunter2" not in short


@pytest.mark.parametrize("by_file", [True, False])
def test_people_come_in_by_their_tokens(
    begin: Begin, serve: Serve, tmp_path: Path, by_file: bool
) -> None:
    """Then no address on the terminal lets anybody in."""
    begin()
    (tmp_path / "tokens").write_text(f"# people\n{TOKEN}\n")
    options = ["--token-file", "tokens"] if by_file else []
    environment = {} if by_file else {"PERSISTQ_WEB_TOKENS": TOKEN}
    with serve("--host", "0.0.0.0", *options, **environment) as served:
        assert "token" not in served.url
        port = urlsplit(served.url).port
        own = f"http://127.0.0.1:{port}"
        for word, status in (("x", 401), (TOKEN, 303)):
            answer = httpx2.post(f"{own}/enter", data={"token": word}, headers={"Origin": own})
            assert answer.status_code == status


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """With what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = refused("--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert "--port 0 takes a free one" in told


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """Nothing else of persistq needs it."""
    hidden = "import sys; sys.modules['starlette'] = None; from persistq.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "serve"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'persistq[web]'" in done.stderr
    assert "Traceback" not in done.stderr
