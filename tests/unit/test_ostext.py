"""Texts of the system: the same bytes in every process, and shown so that they can be typed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from persistq import origin, settings
from persistq.peer import Peer
from persistq.text.ostext import native, portable
from persistq.text.terminal import printable, quoted
from persistq.wire.framing import opening_from_bytes, opening_to_bytes
from persistq.wire.messages import Opening

WORDS = [b"plain", b"l\xe9d", "léd".encode(), b"a\xffb'c\\d\n", b"\xf0\x9f\x98\x80 \x1b[2J"]


@pytest.mark.parametrize("word", WORDS)
def test_a_portable_text_is_the_same_bytes(word: bytes) -> None:
    """There and back."""
    assert os.fsencode(native(portable(os.fsdecode(word)))) == word


def test_arguments_are_noted_as_bytes_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a latin-1 locale é is one byte, which is no UTF-8."""
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("latin-1"))
    monkeypatch.setattr(sys, "orig_argv", ["python", "é"])
    assert origin.argv() == ["\udce9"]


@pytest.mark.parametrize("word", WORDS)
def test_a_quoted_word_is_one_line_that_bash_reads_as_the_same_bytes(word: bytes) -> None:
    """What is shown to be typed can be typed."""
    text = quoted(os.fsdecode(word))
    assert text.isprintable()
    try:
        read = subprocess.run(
            ["bash", "-c", f"printf %s {text}"], capture_output=True, check=True
        ).stdout
    except FileNotFoundError:
        pytest.skip("there is no bash here")
    assert read == word


def test_a_byte_that_is_no_text_is_shown_as_a_byte() -> None:
    """And not as a surrogate, which is Python's business."""
    assert printable(os.fsdecode(b"l\xe9d")) == "l\\xe9d"


def test_an_opening_reaches_the_broker_as_it_is() -> None:
    """Path, arguments, directory and environment."""
    odd = os.fsdecode(b"l\xe9d")
    opening = Opening(
        token="t",
        name="odd",
        path=f"/{odd}/odd.db",
        kind="queue",
        stages=[],
        executable=odd,
        argv=[odd],
        cwd=odd,
        peer=Peer("host", 1),
        family="f",
        environment={"PERSISTQ_X": odd},
    )
    assert opening_from_bytes(opening_to_bytes(opening)) == opening


def test_a_journal_directory_need_not_be_utf8() -> None:
    """Pydantic refuses such texts by itself."""
    odd = os.fsdecode(b"l\xe9d")
    assert settings.load_settings(journal=odd).journal == odd
