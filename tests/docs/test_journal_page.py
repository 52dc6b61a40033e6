"""What the page on the journal file says may be anything is what `verify` leaves free."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from persistq.journal import schema
from persistq.journal.soundness.columns import COLUMNS, MAY_HAVE_MORE, MAY_LACK

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "journal.md").read_text(encoding="utf-8")
TABLES = {
    text.split()[2]: set(re.findall(r"^    (\w+) [A-Z]", text, re.MULTILINE))
    for text in schema.TABLES
    if text.startswith("CREATE TABLE")
}


def test_the_page_lists_what_is_free() -> None:
    """Write it anew with ``python docs/free_columns.py`` if this fails."""
    spec = importlib.util.spec_from_file_location("free_columns", DOCS / "free_columns.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() in PAGE


def test_what_is_free_exists() -> None:
    """A column that was renamed is not free under its old name."""
    for column in COLUMNS:
        table, _, name = column.name.partition(".")
        assert name in TABLES[table], column.name
    assert {*MAY_LACK, *MAY_HAVE_MORE} <= set(TABLES)


def test_the_rules_are_numbered_in_order() -> None:
    """Other pages refer to them by number."""
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 20
