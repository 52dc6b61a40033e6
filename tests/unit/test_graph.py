"""Who feeds whom, and when a stage can be sealed."""

from __future__ import annotations

import pytest

from persistq.errors import UsageError
from persistq.graph import Graph

DIAMOND = Graph(
    {"read": ("left", "right"), "left": ("join",), "right": ("join",), "join": (), "alone": ()}
)


def sealable(graph: Graph, *, sealed: str = "", settled: str = "", quiet: str = "") -> list[str]:
    """Return what can be sealed while these stages are sealed, and these settled."""
    are = (names.split().__contains__ for names in (sealed, settled, quiet))
    return list(graph.sealable(*are))


def test_chain_feeds_each_stage_from_the_one_before() -> None:
    """The simplest graph has one entry and one exit."""
    chain = Graph.chain(["a", "b", "c"])
    assert chain.feeds == {"a": ("b",), "b": ("c",), "c": ()}
    assert chain.fed_by == {"a": (), "b": ("a",), "c": ("b",)}
    assert (chain.entries, chain.exits) == (("a",), ("c",))


def test_chain_of_one_is_entry_and_exit() -> None:
    """A plain queue is a stage that nobody feeds, and that feeds none."""
    queue = Graph.chain(["only"])
    assert queue.entries == queue.exits == ("only",)


def test_everything_downstream_is_reached() -> None:
    """What an item may lead to is known, however many steps away."""
    assert DIAMOND.after("read") == {"left", "right", "join"}
    assert DIAMOND.after("left") == {"join"}
    assert DIAMOND.after("alone") == frozenset()


def test_stage_is_sealed_when_all_that_feed_it_are_settled() -> None:
    """One settled feeder of two is not enough, and a sealed one that has work left is none."""
    assert sealable(DIAMOND, sealed="read", settled="read") == ["left", "right"]
    assert sealable(DIAMOND, sealed="read left right", settled="read left") == []
    assert sealable(DIAMOND, sealed="read left right", settled="read left right") == ["join"]


def test_sealed_stage_is_not_sealed_again() -> None:
    """A seal is recorded once."""
    assert sealable(Graph.chain(["a", "b"]), sealed="a b", settled="a") == []


def test_entry_is_never_sealed_by_itself() -> None:
    """Nobody but a source knows when it is over."""
    assert sealable(DIAMOND, settled="left right") == ["join"]


def test_unknown_target_is_refused() -> None:
    """Outputs need a stage to go to."""
    with pytest.raises(UsageError, match="stage 'a' feeds 'z', which is no stage"):
        Graph({"a": ("z",)})


def test_circle_is_refused_and_shown() -> None:
    """The stages of a circle would wait for each other's end."""
    with pytest.raises(UsageError, match=r"in a circle: [abc] feeds [abc]"):
        Graph({"a": ("b",), "b": ("c",), "c": ("a",)})


CRAWL = Graph(
    {"seed": ("fetch",), "fetch": ("parse",), "parse": ("store",), "store": ()},
    {"parse": ("fetch",), "store": ("store",)},
)


def test_stages_that_items_turn_in_are_a_circle() -> None:
    """Each of the others is one by itself."""
    found = [(circle.names, circle.feeders, circle.turns) for circle in CRAWL.circles]
    assert found == [
        (("seed",), (), False),
        (("fetch", "parse"), ("seed",), True),
        (("store",), ("parse",), True),
    ]
    assert [CRAWL.turns(name) for name in CRAWL.feeds] == [False, True, True, True]
    assert CRAWL.after("fetch") == {"fetch", "parse", "store"}
    assert CRAWL.entries == ("seed",)


def test_a_circle_is_sealed_as_a_whole_when_nothing_is_left_in_it() -> None:
    """What is left in one of its stages may put into the others."""
    assert sealable(CRAWL, sealed="seed", settled="seed", quiet="fetch") == []
    assert sealable(CRAWL, sealed="seed", settled="", quiet="fetch parse") == []
    assert sealable(CRAWL, sealed="seed", settled="seed", quiet="fetch parse") == ["fetch", "parse"]


def test_a_circle_with_an_entry_waits_for_its_source() -> None:
    """It is not quiet before that has come to its end."""
    pages = Graph({"fetch": ()}, {"fetch": ("fetch",)})
    assert pages.entries == ("fetch",)
    assert sealable(pages, quiet="") == []
    assert sealable(pages, quiet="fetch") == ["fetch"]


def test_a_way_back_has_to_lead_back() -> None:
    """Else it is a way like any other, and what it feeds may make the stage wait."""
    with pytest.raises(UsageError, match="say after='a' at 'b'"):
        Graph({"a": (), "b": ()}, {"a": ("b",)})


def test_a_long_chain_is_no_matter_of_recursion() -> None:
    """Graphs are walked through, not called through."""
    names = [f"s{n}" for n in range(3000)]
    assert len(Graph.chain(names)._reach(Graph.chain(names).feeds, "s0")) == 2999
