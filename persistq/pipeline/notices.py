"""Notices of the end of a load: a command that is run, or a URL that is posted to.

Each is the handler of a hook, so it is an item of the journal: it is tried again until it has
succeeded, and blamed and parked like any other.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from msgspec import json

from persistq.errors import UsageError

if TYPE_CHECKING:
    from persistq.pipeline.iteminfo import ItemInfo
    from persistq.pipeline.summary import Summary

PREFIX: Final = "PERSISTQ_SETTLED_"
"""What the names of a command's variables begin with, so that none is that of a setting."""

SCHEMES: Final = ("http", "https")
_SHOWN: Final = 500


class NotDelivered(Exception):
    """A notice was not taken; the hook is tried again."""


def notice_of(summary: Summary, item: ItemInfo) -> dict[str, Any]:
    """Return what a notice says, as JSON and variables have it.

    ``key`` is the same at each attempt, and no other notice has it.
    """
    return {
        "key": item.key,
        "name": summary.name,
        "load": summary.load_id,
        "done": summary.done,
        "dropped": summary.dropped,
        "parked": summary.parked,
        "duplicates": summary.duplicates,
        "skipped": summary.skipped,
        "journal": summary.journal,
        "exit_code": summary.exit_code,
    }


@dataclass(frozen=True, slots=True)
class CommandNotice:
    """Runs a command, without a shell; it has the notice in its environment and on its input.

    Attributes:
        command: The program and its arguments.
        timeout: Seconds after which it is killed.
    """

    command: tuple[str, ...]
    timeout: float

    def __call__(self, summary: Summary, item: ItemInfo) -> None:
        """Run it.

        Crash: it is run again.

        Raises:
            NotDelivered: It has not ended with 0, or not in time.
            OSError: It cannot be run.
        """
        notice = notice_of(summary, item)
        variables = {f"{PREFIX}{name.upper()}": str(value) for name, value in notice.items()}
        try:
            ended = subprocess.run(  # noqa: S603 - it is the program's own command, and no text
                self.command,
                input=json.encode(notice),
                env=os.environ | variables,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotDelivered(f"it took more than {self.timeout:g} seconds") from None
        if ended.returncode:
            raise NotDelivered(_in_words(ended.returncode))


@dataclass(frozen=True, slots=True)
class UrlNotice:
    """Posts a notice as JSON; an answer of 200 to 299 says that it was taken.

    Attributes:
        url: Where to.
        headers: More headers, such as one that says who posts.
        timeout: Seconds in which there has to be an answer.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float

    def __call__(self, summary: Summary, item: ItemInfo) -> None:
        """Post it.

        Crash: it is posted again, with the same ``Idempotency-Key``.

        Raises:
            NotDelivered: The answer is another one; who sends elsewhere has not taken it.
            OSError: There is no answer.
        """
        from urllib.error import HTTPError
        from urllib.request import Request, build_opener

        given = {"Content-Type": "application/json", "Idempotency-Key": item.key}
        request = Request(  # noqa: S310 - `url_notice` has looked at its scheme
            self.url, json.encode(notice_of(summary, item)), given | dict(self.headers)
        )
        try:
            with build_opener(_stays()).open(request, timeout=self.timeout) as answer:
                answer.read(_SHOWN)
        except HTTPError as error:
            with error:
                text = error.read(_SHOWN).decode(errors="replace").strip()
            raise NotDelivered(f"{error.code} {error.reason}: {text}".rstrip(": ")) from None


def _stays() -> Any:
    """Return what follows no redirection: it would come there as a GET, and without its content."""
    from urllib.request import HTTPRedirectHandler

    class Stays(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return Stays()


def command_notice(command: str | Sequence[str], timeout: float) -> CommandNotice:
    """Return the notice that runs a command.

    Raises:
        UsageError: It is none.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else [*command]
    except ValueError as error:
        raise UsageError(f"notify: command={command!r} is refused: {error}") from None
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise UsageError(
            f"notify: command={command!r} is refused: give a program and its arguments, as in "
            "['notify-send', 'done']; there is no shell"
        )
    return CommandNotice(tuple(words), timeout)


def url_notice(url: str, headers: Mapping[str, str], timeout: float) -> UrlNotice:
    """Return the notice that posts to a URL.

    Raises:
        UsageError: It cannot be posted to.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise UsageError(f"notify: url={url!r} is refused: give one of http or https")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "notify: a url with a name or a password in it is refused: give "
            "headers={'Authorization': ...}"
        )
    return UrlNotice(url, dict(headers), timeout)


def _in_words(code: int) -> str:
    return f"it ended with exit code {code}" if code > 0 else f"signal {-code} has killed it"
