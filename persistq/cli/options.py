"""What several commands take, and what the shell completes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from persistq.cli.output import Form
from persistq.errors import PersistqError

if TYPE_CHECKING:
    from persistq.journal.reader import JournalReader
    from persistq.journal.view import JournalView

Command = TypeVar("Command", bound=Callable[..., Any])


# --- what the shell completes ---------------------------------------------------------------------


def _names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from persistq.cli.choosing import directory_of
    from persistq.site.finding import catalogue_of

    try:
        directory = directory_of(ctx.params.get("journal"))
    except PersistqError:
        return []
    names = (site.name for site in catalogue_of(directory).sites())
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _loads(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    def offered(reader: JournalReader) -> list[CompletionItem]:
        return [CompletionItem(str(it.load_id), help=it.state) for it in reader.loads()]

    return _from_journal(ctx, offered, incomplete)


def _stages(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _from_journal(ctx, lambda reader: _stages_of(ctx, reader, ""), incomplete)


def _items(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the stages, behind which a colon and a number are to be typed, and failed items."""
    if ":" not in incomplete:
        return _from_journal(ctx, lambda reader: _stages_of(ctx, reader, ":"), incomplete)
    return _from_journal(ctx, lambda reader: _failed_of(ctx, reader), incomplete)


def _stages_of(ctx: click.Context, reader: JournalReader, end: str) -> list[CompletionItem]:
    return [CompletionItem(f"{queue.name}{end}") for queue in _view(ctx, reader).queues]


def _failed_of(ctx: click.Context, reader: JournalReader) -> list[CompletionItem]:
    from itertools import islice

    from persistq.itemnames import item_name

    return [
        CompletionItem(item_name(queue.name, parked.item_id), help=parked.type)
        for queue in _view(ctx, reader).queues
        for parked in islice(reader.parked_errors(queue.queue_id), 100)
    ]


def _view(ctx: click.Context, reader: JournalReader) -> JournalView:
    return reader.view(ctx.params.get("load"))


def _from_journal(
    ctx: click.Context, offered: Callable[[JournalReader], list[CompletionItem]], incomplete: str
) -> list[CompletionItem]:
    from persistq.cli.choosing import directory_of, reader_of

    name = ctx.params.get("name") or _typed_name(ctx)
    # Whoever presses a key wants no message.
    with (
        suppress(PersistqError),
        reader_of(directory_of(ctx.params.get("journal"), name), name) as reader,
    ):
        return [item for item in offered(reader) if item.value.startswith(incomplete)]
    return []


def _typed_name(ctx: click.Context) -> str | None:
    """Return the name that was typed before an option whose value is being completed.

    There click stops before it has understood the arguments.
    """
    takes_name = any(
        param.name == "name" and isinstance(param, click.Argument) for param in ctx.command.params
    )
    return ctx.args[0] if takes_name and ctx.args else None


# --- options and arguments ------------------------------------------------------------------------

journal_option = click.option(
    "--journal",
    metavar="DIR",
    help="Directory of the journals.  [env: PERSISTQ_JOURNAL; default: .persistq]",
)

name_argument = click.argument("name", required=False, shell_complete=_names)

required_name = click.argument("name", shell_complete=_names)

name_option = click.option(
    "--name",
    metavar="NAME",
    shell_complete=_names,
    help="The load's name; without it, the load on which a run started last.",
)

item_argument = click.argument("item", shell_complete=_items)

item_arguments = click.argument("items", metavar="[ITEM]...", nargs=-1, shell_complete=_items)

progress_option = click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "json", "log", "none"]),
    help="How progress is shown: live on a terminal and plain lines elsewhere, plain lines, an "
    "object of JSON on each line, by the program's logger, or not at all.  "
    "[env: PERSISTQ_PROGRESS; default: auto]",
)

quiet_option = click.option(
    "--quiet",
    "-q",
    is_flag=True,
    default=None,
    help="Say what goes wrong, and nothing else.  [env: PERSISTQ_QUIET]",
)

load_option = click.option(
    "--load",
    type=click.IntRange(min=1),
    metavar="N",
    shell_complete=_loads,
    help="Another load than the unfinished or last one, by its number.",
)

stage_option = click.option(
    "--stage", metavar="STAGE", shell_complete=_stages, help="Only the items of one stage."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")

_jsonl_option = click.option(
    "--jsonl", "as_jsonl", is_flag=True, help="Write a JSON object on each line, one for each row."
)


def form_option(command: Command) -> Command:
    """Give a command ``--json`` and ``--jsonl``, and the one that was typed as ``form``."""

    @json_option
    @_jsonl_option
    @functools.wraps(command)
    def with_form(*, as_json: bool, as_jsonl: bool, **values: Any) -> Any:
        if as_json and as_jsonl:
            raise click.UsageError("--json is one document, --jsonl has lines: give one of them.")
        form = Form.JSON if as_json else Form.JSONL if as_jsonl else Form.PEOPLE
        return command(form=form, **values)

    return with_form  # type: ignore[return-value]
