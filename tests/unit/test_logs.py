"""How records become lines: with their fields, in one place."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from persistq.logs import LOGGER, JsonFormatter, TextFormatter, log


def record(text: str, **extra: object) -> logging.LogRecord:
    """Return a record."""
    made = logging.getLogger("etl").makeRecord(
        "etl", logging.WARNING, "etl.py", 7, text, ("x",), None, "load", extra
    )
    made.created = 1_790_000_000.5
    return made


def test_a_record_is_one_json_object_on_one_line() -> None:
    """With the fields that apply, and what the program has said besides."""
    made = record("no %s\n", journal="sales", load=3, stage="clean", item="", attempt=0, rows=5)
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-09-21T14:13:20.500000+00:00",
        "level": "WARNING",
        "logger": "etl",
        "message": "no x\n",
        "journal": "sales",
        "load": 3,
        "stage": "clean",
        "rows": 5,
    }


def test_what_is_no_json_is_written_as_python_shows_it() -> None:
    """A record is never lost for its extras, nor for bytes that are no text."""
    found = json.loads(JsonFormatter().format(record("no %s \udce9", rows={1, 2})))
    assert (found["rows"], found["message"]) == ("{1, 2}", "no x \udce9")


def test_a_traceback_is_the_error_of_its_record() -> None:
    """Also of one that was formatted in a worker."""
    made = record("no %s")
    try:
        raise ValueError("broken")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert json.loads(JsonFormatter().format(made))["error"].endswith("ValueError: broken")
    told = record("no %s")
    told.exc_text = "Traceback of a worker"
    assert json.loads(JsonFormatter().format(told))["error"] == "Traceback of a worker"


def test_a_line_for_people_ends_in_its_fields() -> None:
    """A stage may be called anything."""
    made = record("no %s", load=3, stage="st\x1bore", item="clean:6")
    line = TextFormatter("%(levelname)s %(message)s").format(made)
    assert line == "WARNING no x [load=3 stage=st\\x1bore item=clean:6]"
    assert TextFormatter("%(message)s").format(record("no %s")) == "no x"


def test_without_handlers_nothing_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console has said it; logging's own last resort does not say it again."""
    monkeypatch.setattr(logging.getLogger(LOGGER), "propagate", False)
    log(logging.ERROR, "100 % done", load=1)
    assert capsys.readouterr() == ("", "")
