"""What a program's own classes are called in pickles."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

from persistq.codec import Codec, ItemCodec
from persistq.errors import ItemNotReadable, ItemNotStorable
from persistq.pickles import OwnModules

SOURCE = """
class Row:
    class Inner:
        pass

    def __eq__(self, other):
        return type(self) is type(other)

    __hash__ = None


def local():
    class Hidden:
        pass

    return Hidden()
"""


def module(monkeypatch: pytest.MonkeyPatch, name: str, source: str = SOURCE) -> Any:
    """Import a module of this name."""
    made = ModuleType(name)
    exec(source, vars(made))
    monkeypatch.setitem(sys.modules, name, made)
    return made


def codec(pipeline: str, main: str) -> ItemCodec:
    """Return the codec of a program."""
    return ItemCodec(own=OwnModules(pipeline, main))


def test_a_module_may_have_any_name_that_is_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline's module comes first; the bytes are the same, and each reads the other's."""
    one, other = module(monkeypatch, "etl"), module(monkeypatch, "pkg.etl")
    stored = codec("etl", "__main__").encode([one.Row(), one.Row.Inner, one.local])
    assert stored == codec("pkg.etl", "pkg.etl").encode([other.Row(), other.Row.Inner, other.local])
    assert stored[0] == Codec.PICKLE_OF_PROGRAM
    back = codec("pkg.etl", "start").decode(1, *stored)
    assert back == [other.Row(), other.Row.Inner, other.local]


def test_the_main_module_is_another_one_than_the_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes of one name stay two."""
    one, other = module(monkeypatch, "etl"), module(monkeypatch, "start")
    both = codec("etl", "start")
    assert both.encode(one.Row()) != both.encode(other.Row())
    assert type(both.decode(1, *both.encode(one.Row()))) is one.Row
    assert type(both.decode(1, *both.encode(other.Row()))) is other.Row


def test_foreign_classes_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are pickled as ever."""
    foreign = module(monkeypatch, "library")
    number, payload = codec("etl", "__main__").encode(foreign.Row())
    assert number == Codec.PICKLE
    assert payload == pickle.dumps(foreign.Row(), 5)


def test_a_class_that_is_gone_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to do."""
    stored = codec("etl", "etl").encode(module(monkeypatch, "etl").Row())
    module(monkeypatch, "etl", "")
    with pytest.raises(ItemNotReadable, match="it is a Row of the program that put it, and etl "):
        codec("etl", "etl").decode(1, *stored)


def test_what_nobody_could_find_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class inside a function, or one that has been replaced."""
    one = module(monkeypatch, "etl")
    replaced = one.Row()
    one.Row = None
    for value in (one.local(), replaced):
        with pytest.raises(ItemNotStorable, match="cannot be pickled"):
            codec("etl", "etl").encode(value)


def test_pickles_of_a_program_are_not_read_where_pickle_is_forbidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They run code like others."""
    stored = codec("etl", "etl").encode(module(monkeypatch, "etl").Row())
    with pytest.raises(ItemNotReadable, match="does not allow pickle"):
        ItemCodec(allow_pickle=False).decode(1, *stored)
    with pytest.raises(LookupError, match="read this pickle with ItemCodec"):
        pickle.loads(stored[1])
