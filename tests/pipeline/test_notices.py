"""Commands that are run, and URLs that are posted to, when a load is settled."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from persistq import Pipeline, UsageError
from persistq.pipeline.notices import NotDelivered, url_notice

from .conftest import MakeProgram

LOAD = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(5)

    @pipeline.stage(retries=0)
    def work(number):
        if number == 3:
            raise ValueError("no")

    {notify}

    if __name__ == "__main__":
        pipeline.run()
"""
TELLS = """
import json, os, sys
from pathlib import Path
told = {name: value for name, value in os.environ.items() if name.startswith("PERSISTQ_SETTLED_")}
with Path(sys.argv[1]).open("a") as file:
    print(json.dumps([told, json.load(sys.stdin)]), file=file)
sys.exit(not Path(sys.argv[1]).with_name("ready").exists())
"""


@dataclass
class Hook:
    """A server that is posted to.

    Attributes:
        url: Where.
        answers: What it answers, the last one again and again: a code and headers.
        posts: What has come: path, headers, content.
    """

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


def handler_of(hook: Hook) -> type[BaseHTTPRequestHandler]:
    """Return what serves a hook."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append((self.path, dict(self.headers), json.loads(content)))
            code, headers = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            self.send_response(code)
            for name, value in (headers | {"Content-Length": "0"}).items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """A server on this machine."""
    monkeypatch.setenv("no_proxy", "*")
    made = Hook()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}/loads"
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_posted_to_until_it_has_taken_it(program: MakeProgram, hook: Hook) -> None:
    """With one key for all attempts, after everything else has ended."""
    hook.answers = [(503, {}), (500, {}), (200, {})]
    notify = f'pipeline.notify(url="{hook.url}", headers={{"X-Team": "etl"}}, backoff=0.01)'
    script = program(LOAD.format(notify=notify))
    ended = script.run()
    assert ended.code == 6, ended.err
    [first, second, third] = hook.posts
    assert first[2] == second[2] == third[2]
    path, headers, notice = third
    assert (path, headers["X-Team"]) == ("/loads", "etl")
    assert headers["Content-Type"] == "application/json"
    assert {post[1]["Idempotency-Key"] for post in hook.posts} == {notice["key"]}
    assert notice | {"key": "", "journal": ""} == {
        "key": "",
        "name": "demo",
        "load": 1,
        "done": 4,
        "dropped": 0,
        "parked": 1,
        "duplicates": 0,
        "skipped": 0,
        "journal": "",
        "exit_code": 6,
    }


def test_a_notice_is_sent_once(program: MakeProgram, hook: Hook) -> None:
    """A load that is retried is settled again, and that is told as well: under another key."""
    notify = f'pipeline.notify(url="{hook.url}", when="failed")'
    script = program(LOAD.format(notify=notify))
    assert script.run().code == 6
    assert script.run(PERSISTQ_RETRY_FAILED="1").code == 6
    [first, second] = hook.posts
    assert first[2]["key"] != second[2]["key"]
    assert (first[2]["load"], second[2]["load"]) == (1, 1)


def test_a_notice_is_never_forgotten(program: MakeProgram, hook: Hook) -> None:
    """Who dies before its success is recorded sends it again, under the same key."""
    notify = f'pipeline.notify(url="{hook.url}")'
    script = program(LOAD.format(notify=notify))
    code = script.run(PERSISTQ_FAILPOINT="broker.before_settle").code
    assert code == 3
    assert script.run().code == 6
    assert len({post[2]["key"] for post in hook.posts}) == 1
    assert len(hook.posts) in {1, 2}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_command_is_run_until_it_succeeds(
    program: MakeProgram, tmp_path: Path, workers: int
) -> None:
    """Without a shell; what there is to say is in its variables and on its input."""
    tells, told = tmp_path / "tells me.py", tmp_path / "home" / "told; touch never"
    tells.write_text(TELLS)
    command = [sys.executable, str(tells), str(told)]
    text = LOAD.replace("workers=2", f"workers={workers}").format(
        notify=f"pipeline.notify(command={command}, retries=1, backoff=0.01)"
    )
    script = program(text)
    assert script.run().code == 6
    attempts = [json.loads(line) for line in told.read_text().splitlines()]
    assert len(attempts) == 2
    assert attempts[0] == attempts[1]
    variables, notice = attempts[0]
    assert variables == {f"PERSISTQ_SETTLED_{k.upper()}": str(v) for k, v in notice.items()}
    assert script.rows("SELECT name FROM queue WHERE parked = 1") == ["work", "notify_command"]
    script.touch("ready")
    assert script.run(PERSISTQ_RETRY_FAILED="1").code == 6
    assert script.rows("SELECT name FROM queue WHERE parked = 1") == ["work"]
    messages = script.rows("SELECT DISTINCT message FROM failure WHERE type = 'NotDelivered'")
    assert messages == ["it ended with exit code 1"]


@dataclass
class Stands:
    """Stands for a summary, and for an item."""

    key: str = "key"

    def __getattr__(self, name: str) -> str:
        return name


def test_a_redirection_is_not_followed(hook: Hook) -> None:
    """It would lose what is posted, and look like a success."""
    hook.answers = [(302, {"Location": "/elsewhere"})]
    stands: Any = Stands()
    with pytest.raises(NotDelivered, match="302 Found"):
        url_notice(hook.url, {}, 5.0)(stands, stands)
    assert [path for path, *_ in hook.posts] == ["/loads"]


REFUSED: dict[str, Callable[[Pipeline], None]] = {
    "give either a command or a url": lambda pipeline: pipeline.notify(),
    "when='later' is refused": lambda pipeline: pipeline.notify(
        url="http://a",
        when="later",  # type: ignore[arg-type]
    ),
    "there is no shell": lambda pipeline: pipeline.notify(command=[]),
    "No closing quotation": lambda pipeline: pipeline.notify(command="say 'no"),
    "give one of http or https": lambda pipeline: pipeline.notify(url="file:///etc/passwd"),
    "a name or a password in it": lambda pipeline: pipeline.notify(url="http://me:secret@host/"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_can_never_be_delivered_is_refused(sentence: str) -> None:
    """When it is said, and not at the end of a load; a password is not repeated."""
    with pytest.raises(UsageError, match=sentence) as refused:
        REFUSED[sentence](Pipeline("demo"))
    assert "secret" not in str(refused.value)


def test_several_notices_have_names() -> None:
    """By default one of a kind; a second one says what it is called."""
    pipeline = Pipeline("demo")
    pipeline.notify(url="http://a")
    pipeline.notify(url="http://a", when="failed")
    pipeline.notify(command="true")
    pipeline.notify(url="http://b", name="notify_b")
    with pytest.raises(UsageError, match="has notify_url already"):
        pipeline.notify(url="http://c")
