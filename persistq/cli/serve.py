"""``persistq serve``: a page that shows the journals of a directory, live."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from persistq.cli.choosing import directory_of
from persistq.cli.options import journal_option
from persistq.cli.output import note
from persistq.errors import UsageError
from persistq.text.streams import write

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from persistq.web.tokens import Tickets, Tokens

VARIABLE: Final = "PERSISTQ_WEB_TOKENS"

PORT: Final = 7433

_EXTRA: Final = (
    "persistq serve needs the extra `web`, which is not installed: pip install 'persistq[web]'"
)


@click.command("serve", short_help="Show all journals on a page, live.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Port to listen at; 0 takes a free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen at; one that others reach needs tokens.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A further name by which browsers reach the page, such as a proxy's.",
)
@click.option(
    "--token-file",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help=f"Tokens that let people in, one on each line; - is standard input.  [env: {VARIABLE}]",
)
@journal_option
def command(
    *,
    port: int,
    host: str,
    names: tuple[str, ...],
    token_file: IO[str] | None,
    journal: str | None,
) -> None:
    """Show all journals of the directory on a page that follows them, until Ctrl-C.

    Loads, stages, workers, charts, failures and items; failed items can be retried, dropped and
    edited there, as by the verbs of these names. The address that is written lets one browser in,
    once; then the next one is written. Nobody else can read or order anything. Needs the extra
    persistq[web].

    \b
    Example:
      $ persistq serve --port 0
    """  # noqa: D301 - \b is click's mark for lines to keep
    try:
        from persistq.web.app import Doors, Pages
        from persistq.web.folders import Folders
        from persistq.web.hosts import Hosts, is_loopback
        from persistq.web.journals import Journals
        from persistq.web.server import listening, serve
        from persistq.web.tokens import Tickets
    except ModuleNotFoundError as error:
        raise UsageError(f"{_EXTRA} ({error.name} is missing)") from None
    directory = directory_of(journal)
    tokens = _tokens(token_file)
    if not is_loopback(host) and not len(tokens):
        raise UsageError(
            f"others than you can reach {host}: give tokens that let people in, with --token-file "
            f"or {VARIABLE}; or leave out --host"
        )
    at = listening(host, port)
    address = _address(host, at.getsockname()[1])
    # Nobody may read it any more when the second one is written: that is no failure.
    tickets = Tickets(lambda word: write(sys.stdout, f"{address}?token={word}\n"))
    is_own = is_loopback(host)
    doors = Doors(
        Hosts(host, names), tickets if is_own else None, tokens, f"persistq-{at.getsockname()[1]}"
    )
    pages = Pages(Journals(directory, journal), Folders(directory), doors)
    _introduce(directory, tickets if is_own else None, address)
    # Ctrl-C is how it ends, and no failure.
    with suppress(KeyboardInterrupt):
        serve(pages.app(), pages.live, at)


def _tokens(file: IO[str] | None) -> Tokens:
    """Return the tokens that were given; what is in the environment is not handed on."""
    from persistq.web.tokens import Tokens, words_in

    text = os.environ.pop(VARIABLE, "").replace(",", "\n")
    return Tokens([*words_in(text), *words_in(file.read() if file is not None else "")])


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _introduce(directory: Path, tickets: Tickets | None, address: str) -> None:
    note(f"journals of {directory}; Ctrl-C ends it")
    if tickets is not None:
        tickets.show()
        return
    write(sys.stdout, f"{address}\n")
    note("what goes over the network is not encrypted: have a proxy with TLS in front of it")
