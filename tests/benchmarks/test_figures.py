"""From the figures of rounds to ratios, targets and tables; and journals as a crash leaves them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Import what the tests ask of the suite, which is no package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from contest import Claim, Contender, Scenario
    from preparing import State
    from rounds import Series
    from table import targets_text
    from targets import at_least, at_most
    from verdict import judged

    return SimpleNamespace(
        Claim=Claim,
        Contender=Contender,
        Scenario=Scenario,
        Series=Series,
        State=State,
        at_least=at_least,
        at_most=at_most,
        judged=judged,
        targets_text=targets_text,
    )


def contenders(**figures: dict[int, float]) -> dict[str, Any]:
    """Return records of contenders by name, with the figure of each round."""
    return {
        name: {"rounds": [{"round": n, "value": value, "details": {}} for n, value in one.items()]}
        for name, one in figures.items()
    }


def test_ratio_of_medians_and_median_of_ratios_are_told_apart(suite: SimpleNamespace) -> None:
    """Where two trees take turns, a round's ratio counts: both had the same neighbours."""
    records = contenders(new={1: 10, 2: 30, 3: 40}, old={1: 10, 2: 10, 3: 20})
    claim = {"label": "new / old", "ours": "new", "rivals": ("old",)}
    assert suite.judged(suite.Claim(**claim), records, "higher")["ratio"] == 3
    paired = suite.judged(suite.Claim(**claim, paired=True), records, "higher")
    assert (paired["ratio"], paired["ratios"]) == (2, [1, 3, 2])


def test_round_that_one_of_two_did_not_survive_has_no_ratio(suite: SimpleNamespace) -> None:
    """Figures of different rounds are never divided by each other."""
    records = contenders(new={1: 10, 3: 40}, old={1: 10, 2: 1, 3: 20})
    claim = suite.Claim(label="new / old", ours="new", rivals=("old",), paired=True)
    assert suite.judged(claim, records, "higher")["ratios"] == [1, 2]


@pytest.mark.parametrize(
    ("goals", "figure", "word"),
    [
        ((3, 5), 2.9, "no"),
        ((3, 5), 3, "first"),
        ((3, 5), 5, "stretch"),
        ((3, None), 5, "first"),
        ((-3, -2), 3.1, "no"),
        ((-3, -2), 2.5, "first"),
        ((-3, -2), 2, "stretch"),
    ],
)
def test_table_says_what_is_reached_of_each_target(
    suite: SimpleNamespace, goals: tuple[float, float | None], figure: float, word: str
) -> None:
    """Both goals stand beside the figure; those below zero are here what it may be at most."""
    first, stretch = goals
    target = suite.at_least(first, stretch) if first > 0 else suite.at_most(-first, -stretch)
    claim = suite.Claim(label="a figure", ours="new", target=target)
    judged = suite.judged(claim, contenders(new={1: figure}), "higher")
    _, row = suite.targets_text([{"name": "some", "claims": [judged]}])
    assert row.startswith("some")
    assert f"at {'least' if first > 0 else 'most'} {abs(first)}" in row
    assert row.endswith(word)


def test_target_of_what_was_not_measured_stays_in_the_table(suite: SimpleNamespace) -> None:
    """A contender that failed takes no target away in silence."""
    claim = suite.Claim(label="a figure", ours="new", target=suite.at_least(3))
    judged = suite.judged(claim, contenders(new={}), "higher")
    _, row = suite.targets_text([{"name": "some", "claims": [judged]}])
    assert row.endswith("not measured")


@pytest.mark.parametrize("done", [0, 1, 49, 50, 99, 100])
@pytest.mark.parametrize("but_every", [0, 1, 2, 7, 50, 100])
def test_state_of_a_prepared_journal_counts_what_it_spans(
    suite: SimpleNamespace, done: int, but_every: int
) -> None:
    """Counters and ranges are of the same items, however these are cut into blocks."""
    state = suite.State(100, done, but_every)
    wanted = [n for n in range(1, done + 1) if not but_every or n % but_every]
    for size in (100, 16):
        spanned = [
            n
            for start in range(1, 101, size)
            for first, last in state.spans(start, min(start + size - 1, 100))
            for n in range(first, last + 1)
        ]
        assert spanned == wanted
    assert state.outstanding == 100 - len(wanted)
    assert [state.done_before(n) for n in range(101)] == [
        sum(one <= n for one in wanted) for n in range(101)
    ]


TREE = """\
from pathlib import Path
from contest import Outcome

def prepare():
    with Path("format").open("a") as file:
        file.write({name!r})

def play():
    found = Path("format").read_text()
    if found != {name!r}:
        raise ValueError(f"this is no file of {name}: {{found}}")
    return Outcome(1.0)
"""


def test_each_tree_works_on_the_file_that_it_prepared_itself_once(
    suite: SimpleNamespace, tmp_path: Path
) -> None:
    """So a commit can be compared whose files this tree cannot read."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tree.py").write_text(TREE.format(name=name))
    scenario = suite.Scenario(
        name="some", title="", unit="s", better="lower", method="", payload="", claims=[],
        contenders=[
            suite.Contender(
                name=f"{name}, {way}", play="tree:play", options={}, durable="-",
                prepared=("tree:prepare", {}), checkout=str(tmp_path / name),
            )
            for name in ("old", "new")
            for way in ("one way", "another")
        ],
    )  # fmt: skip
    series = suite.Series(2, warm_up=True, place=tmp_path / "place", tell=lambda _: None)
    for contender in series.play(scenario)["contenders"]:
        assert contender["failures"] == []
        assert len(contender["rounds"]) == 2
