"""The picture of a run: what fits in 40, 80 and 200 columns, and what strangers write there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from scenes import Workers, course, drawn, sizes

from persistq.display.course import Course
from persistq.display.glyphs import ASCII, FULL
from persistq.display.table import clipped

PICTURES = Path(__file__).with_name("pictures.txt")
"""Written anew by ``python tests/unit/test_picture.py > tests/unit/pictures.txt``: look at it."""

WIDTHS = (40, 80, 200)
WAREHOUSE = "store-in-the-warehouse"
AWAY = "rests: ConnectionError: https://me:pw@host/ is away"


def resumed() -> Course:
    """Return a run that carries on a load, and has done nothing yet."""
    return course(
        sizes(1, 100, 100, before=100, worked=10.0),
        sizes(2, 10_000, 2_000, before=2_000, worked=400.0),
        sizes(3, 2_000, 1_900, name=WAREHOUSE, before=1_900, sealed=False, worked=285.0),
    )


def under_way() -> Course:
    """Return the same run 100 seconds later."""
    run = resumed()
    for tick in range(1, 11):
        clean = sizes(
            2,
            10_000,
            2_000 + 420 * tick,
            before=2_000,
            worked=400.0 + 84 * tick,
            parked=4 * tick,
            in_hand=20,
        )
        store = sizes(
            3,
            2_000 + 420 * tick,
            1_900 + 320 * tick,
            name=WAREHOUSE,
            before=1_900,
            sealed=False,
            worked=285.0 + 48 * tick,
            in_hand=9,
            held=AWAY if tick == 10 else "",
        )
        run.note([sizes(1, 100, 100, before=100, worked=10.0), clean, store], 10.0 * tick)
    return run


def three() -> Workers:
    """Return workers of whom one has been at its item for twelve seconds."""
    batch = f"a batch of {WAREHOUSE}"
    return Workers([("clean:6201", 99.5), ("clean:1234", 88.0), (batch, 97.0)], died=2)


def pictures() -> Iterator[str]:
    """Yield how all of it looks."""
    for width in WIDTHS:
        yield f"--- resumed, {width} columns"
        yield drawn(resumed(), 0.0, width)
        yield f"--- under way, {width} columns"
        yield drawn(under_way(), 100.0, width, workers=three())
        yield f"--- over, {width} columns"
        yield drawn(under_way(), 134.0, width, workers=three(), over=True)
    yield "--- under way, a terminal without UTF-8"
    yield drawn(under_way(), 100.0, 80, workers=three(), glyphs=ASCII)


def test_pictures_are_as_they_were_approved() -> None:
    """At each width, at the beginning, in the middle and at the end."""
    expected = PICTURES.read_text(encoding="utf-8").splitlines()
    assert "\n".join(pictures()).splitlines() == expected


@pytest.mark.parametrize("width", WIDTHS)
def test_before_and_now_are_told_apart(width: int) -> None:
    """In the bar at any width, and in numbers where there is room."""
    [clean] = [line for line in drawn(under_way(), 100.0, width).splitlines() if "62%" in line]
    assert "▓" in clean
    assert "█" in clean
    assert "4,200" in clean
    assert ("2,000" in clean) == (width >= 80)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_longest_running_item_is_named(width: int) -> None:
    """Not the first one, nor the last."""
    last = drawn(under_way(), 100.0, width, workers=three()).splitlines()[-1]
    assert last.startswith("3 at work · longest: clean:1234 for 12 s")
    assert ("worker 4712" in last) == (width >= 80)


def test_a_beginning_that_cannot_be_is_not_believed() -> None:
    """The file in which workers note it is not this process's."""
    odd = Workers([("clean:1", float("nan")), ("clean:2", 1e9), ("clean:3", -1.0)])
    assert drawn(resumed(), 10.0, 80, workers=odd).splitlines()[-1] == "3 at work"


def test_of_many_stages_those_that_are_at_work_are_shown() -> None:
    """As many as fit, in their order, and how many there are beside them."""
    stages = [sizes(n, 100, 100 if n < 6 or n > 8 else 40) for n in range(1, 31)]
    lines = drawn(course(*stages, plans={}), 5.0, 80, height=12).splitlines()
    assert len(lines) == 12
    names = [line.split()[0] for line in lines[2:-2]]
    assert {"stage-6", "stage-7", "stage-8"} <= set(names)
    assert lines[-2] == "… and 22 more stages"


def test_a_bar_is_full_when_nothing_is_left_and_not_before() -> None:
    """Whatever is rounded."""
    nearly = drawn(course(sizes(1, 10**9, 10**9 - 1)), 5.0, 80)
    assert "░" in nearly
    assert "99%" in nearly
    whole = drawn(course(sizes(1, 10**9, 10**9 - 1, parked=1)), 5.0, 80)
    assert "░" not in whole
    assert "100%" in whole


def test_while_more_may_come_the_end_of_a_bar_is_open() -> None:
    """Also if all that is there is done."""
    line = drawn(course(sizes(1, 50, 50, sealed=False)), 5.0, 80).splitlines()[2]
    assert "····" in line
    assert "at least 50" in line
    assert "%" not in line


def test_nothing_is_longer_than_the_terminal_is_wide() -> None:
    """Whatever stages are called, also in characters of two cells, and however large counts are."""
    dice = random.Random(7)
    names = [
        "a",
        WAREHOUSE,
        "日本語のステージ名です",
        "e\u0301" * 9,
        "x" * 300,
        "\x1b[2J\n\r",
        "\u202e",
    ]
    for _ in range(100):
        total = 10 ** dice.randint(0, 12)
        stages = [
            sizes(
                n,
                total,
                done := dice.randint(0, total),
                name=dice.choice(names),
                before=dice.randint(0, done),
                sealed=dice.random() < 0.5,
                worked=dice.random() * 1e6,
                held=dice.choice(["", AWAY, "its source waits: \x1b[2J"]),
            )
            for n in range(1, dice.choice([2, 6, 30]))
        ]
        run = course(*stages, plans={}, name=dice.choice(names))
        for width in (1, 2, 7, 40, 79, 200):
            height = dice.choice([None, 1, 5, 29])
            glyphs = dice.choice([FULL, ASCII])
            lines = drawn(run, 9.0, width, height=height, glyphs=glyphs).split("\n")
            assert all(cell_len(line) <= width and line.isprintable() for line in lines)
            assert height is None or len(lines) <= height


def test_a_name_is_cut_in_its_middle() -> None:
    """Both ends tell one from another."""
    assert clipped("store-in-the-warehouse", 12, FULL) == "store-…house"
    assert clipped("short", 12, FULL) == "short"
    assert cell_len(clipped("日本語のステージ名です", 8, FULL)) <= 8


if __name__ == "__main__":
    print("\n".join(pictures()))
