"""Errors cross process boundaries with all they know, and end commands with the right code."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from persistq import errors
from persistq.errors import PersistqError

PATH = ("/data/sales.db", "the disk is full: make room")

EXAMPLES: dict[str, tuple[tuple[Any, ...], int, type[BaseException]]] = {
    "PersistqError": (("anything",), 1, Exception),
    "UsageError": (("say it otherwise",), 2, ValueError),
    "QueueClosed": (("sales",), 1, ValueError),
    "ItemNotStorable": (("function", "it cannot be pickled"), 1, TypeError),
    "ItemNotValid": (("store", "Order", "`$.id`: Expected int, got str"), 2, TypeError),
    "KeyNotUsable": (("source 'rows'", "17", "it is None"), 2, ValueError),
    "OrderNotUsable": (("fetch", "order", "17", "it is None"), 2, ValueError),
    "NotAResult": (("the handler", "returned a coroutine"), 2, TypeError),
    "ItemNotReadable": ((17, "its class is gone"), 1, PersistqError),
    "TransactionFailed": ((), 1, PersistqError),
    "TransactionEnded": ((), 1, PersistqError),
    "UpstreamFailed": (("sales", "the source gave up"), 3, PersistqError),
    "LoadUnfinished": (("sales", "interrupted", 130), 130, PersistqError),
    "ItemsFailed": (("sales", 2), 6, PersistqError),
    "BrokerLost": (("sales", "Broken pipe"), 3, ConnectionError),
    "BrokerSilent": (("sales", 30), 3, errors.BrokerLost),
    "RunEnded": (("sales", 4711), 3, PersistqError),
    "SinkUnavailable": (("sqlite:///x.db", "the disk is full"), 3, ConnectionError),
    "FolderError": (("/data/in", "it is a stranger's"), 4, PersistqError),
    "ClaimLost": (("/data/in", "a.csv"), 3, PersistqError),
    "JournalError": (PATH, 4, PersistqError),
    "JournalMissing": (PATH, 4, errors.JournalError),
    "JournalForeign": (PATH, 4, errors.JournalError),
    "JournalNewer": (PATH, 4, errors.JournalError),
    "JournalCorrupt": (PATH, 4, errors.JournalError),
    "JournalUnavailable": (PATH, 4, errors.JournalError),
    "JournalBusy": (("/data/sales.db", 4711, "host"), 4, errors.JournalError),
}


def classes() -> set[str]:
    """Return the names of all error classes."""
    return {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, PersistqError)
    }


def test_every_error_is_tried() -> None:
    """A new class needs an example here."""
    assert classes() == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_error_survives_pickling(name: str) -> None:
    """Class, arguments, attributes and text are the same on the other side."""
    args, exit_code, base = EXAMPLES[name]
    error = getattr(errors, name)(*args)
    assert error.args == args
    assert (error.exit_code, isinstance(error, base)) == (exit_code, True)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(error, protocol))
        assert type(other) is type(error)
        assert (other.args, vars(other), str(other)) == (error.args, vars(error), str(error))
    assert copy.copy(error).args == args


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "PersistqError"])
def test_error_is_one_sentence_with_its_facts(name: str) -> None:
    """The text names everything it was made from, on one line."""
    args, _, _ = EXAMPLES[name]
    text = str(getattr(errors, name)(*args))
    assert "\n" not in text
    assert "  " not in text
    for fact in args:
        if name != "LoadUnfinished" or fact != 130:
            assert str(fact) in text


def test_no_error_is_an_exit() -> None:
    """An exit kills event loops and ends threads without a word; errors do not."""
    assert not any(issubclass(getattr(errors, name), SystemExit) for name in classes())


def test_that_an_error_was_told_crosses_processes() -> None:
    """Its sentence is shown once."""
    error = errors.LoadUnfinished("sales", "interrupted", 143)
    assert not error.told
    error.told = True
    assert pickle.loads(pickle.dumps(error)).told


def test_number_agrees_with_its_noun() -> None:
    """One item, two items."""
    assert "1 item parked" in str(errors.ItemsFailed("sales", 1))
    assert "2 items parked" in str(errors.ItemsFailed("sales", 2))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_notebook_shows_the_sentence_where_a_script_does(name: str) -> None:
    """IPython asks the error for what to show; one in the program's code keeps its traceback."""
    args, exit_code, _ = EXAMPLES[name]
    error = getattr(errors, name)(*args)
    shown = getattr(error, "_render_traceback_", lambda: None)()
    assert shown == (None if exit_code == 1 else [f"persistq: {error}"])


def test_a_notebook_gets_nothing_that_moves_a_cursor() -> None:
    """A sentence may quote what a stranger has written."""
    error = errors.UsageError("name \x1b[2J\nis refused")
    (first, second) = error._render_traceback_()
    assert "\x1b" not in first
    assert second == "persistq: is refused"
