"""Die, or fail, at every named instant; start again until it is settled; compare the evidence."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import persistq
from persistq import failpoints
from persistq.journal import marks

from .checker import Limits, judge, load_states
from .evidence import EFFECTS, read_evidence
from .warm import WarmInterpreter

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPT = HERE / "script_pipeline.py"
JOURNAL = Path(".persistq", "soak.db")
ITEMS = 12
SHORT_S = 0.0002
LIMITS = Limits(workers=4, shortest=SHORT_S, ack_interval=0.0, window_time=0.0, window_max=1)
ALL_GONE_S = 15.0
TRIES_MAX = 5

SETTINGS = {
    "PERSISTQ_ACK_INTERVAL": "0",
    "PERSISTQ_WINDOW_TIME": "0",
    "PERSISTQ_MAX_CRASHES": "1000",
    "PERSISTQ_RETRIES": "5",
    "PERSISTQ_BACKOFF": "0",
    "PERSISTQ_PROGRESS": "none",
    "PERSISTQ_JOURNAL": ".persistq",
    "PERSISTQ_START_METHOD": "fork",
    "SOAK_ITEMS": str(ITEMS),
    "SOAK_SHORT_S": str(SHORT_S),
    "SOAK_LONG_S": str(SHORT_S),
}


REHEARSALS_MAX = 4

ELSEWHERE = (
    "amending.",
    "donekeys.",
    "folder.",
    "map.",
    "metrics.",
    "outbox.",
    "retention.",
    "sink.",
    "journal.before_thinning",
    "broker.after_overdue",
    "broker.before_failing",
    "broker.before_group",
    "broker.before_give_up",
    "broker.before_hook",
    "broker.before_overdue",
    "broker.before_pass_on",
    "broker.before_ranked",
    "broker.before_keep",
    "source.before_fail",
    "report.",
)
"""Instants this load does not come to by itself: `test_by_hand.py`, `test_giving_up.py`,
`test_folder_deaths.py` and `test_folder_loads.py` in `tests/folder`,
`tests/sinks/test_deaths.py`, `test_report.py` and
`test_metrics.py` in `tests/cli`, `test_once.py`, `test_groups.py`, `test_hooks.py`,
`test_order.py`, `test_map.py` and `test_raising_sources.py` in `tests/pipeline`, and
`test_time_limits.py` in `tests/queue`, and `tests/journal/test_committing_batches.py` die there."""


def _points() -> list[str]:
    """Return the names of all fail-points that a run comes to."""
    code = Path(persistq.__file__).parent.rglob("*.py")
    pattern = re.compile(r'failpoints\.point\(\s*"([^"]+)"')
    names = {name for path in code for name in pattern.findall(path.read_text())}
    return sorted(name for name in names if not name.startswith(ELSEWHERE))


POINTS = _points()


@dataclass(frozen=True, slots=True)
class Scenario:
    """What else happens to the load whose process dies or fails.

    Attributes:
        name: In words.
        carried_on: Whether an earlier run has died when its source had put all, before the seal.
        sealed: Whether that was behind the seal, so that the source is not called again.
        armed: Further fail-points.
        interrupted: Whether the script is told to end half-way.
        upgraded: Whether its journal is of an older version.
        impatient: Whether done records are brought to the disk at every turn.
        full: Whether so few items may be outstanding that what feeds a stage waits.
        output: How the outputs of its first stage go on, if not with the reports; or what its
            source says.
    """

    name: str
    carried_on: bool = False
    sealed: bool = False
    armed: str = ""
    interrupted: bool = False
    upgraded: bool = False
    impatient: bool = False
    full: bool = False
    output: str = ""

    @property
    def faults(self) -> list[str]:
        """What is done to the load beside the fault at the point."""
        return ["broker"] * self.carried_on + ["worker"] * bool(self.armed)

    def environment(self, scripts: Path) -> dict[str, str]:
        """Return what the script is told of it."""
        told = {
            "SOAK_OUTPUT": self.output,
            "SOAK_INTERRUPT_AT": self._interrupted_at(),
            "SOAK_MIGRATIONS": str(scripts) if self.upgraded else "",
            "PERSISTQ_FLUSH_INTERVAL": "0.0001" if self.impatient else "",
            "PERSISTQ_MAX_OUTSTANDING": "2" if self.full else "",
        }
        return {name: value for name, value in told.items() if value}

    def _interrupted_at(self) -> str:
        # Who is told to end while its source is asked works off what that has yielded: here, all.
        number = ITEMS - 1 if self.output == "asked" else 1
        return str(number) if self.interrupted else ""


PLAIN = Scenario("plain")
CARRIED_ON = Scenario("carried on", carried_on=True)
BEREAVED = Scenario("a worker dies", armed="worker.before_handler@5:kill")
RETRIED = Scenario("an attempt fails", armed="worker.before_handler@5:error")
INTERRUPTED = Scenario("interrupted", interrupted=True)
IMPATIENT = Scenario("flushed often", impatient=True)
FULL = Scenario("full", full=True)
UPGRADED = Scenario("upgraded", carried_on=True, upgraded=True)
SPOOLED = Scenario("spooled", output="spooled")
STREAMED = Scenario("streamed", output="streamed")
STORED = Scenario("stored in a sink", output="stored")
BEHIND = Scenario("behind cursors", output="behind cursors")
DEFERRED = Scenario("put off", output="deferred")
METERED = Scenario("in metered batches that raise", output="metered")
METERED_ON = Scenario("metered, carried on", carried_on=True, sealed=True, output="metered")
KEYED = Scenario("with natural keys", output="keyed")
TWO_SOURCES = Scenario("from two sources", output="two sources")
ASKED = Scenario("asked for items", output="asked")
DRAINED = Scenario("asked for items, and told to end", output="asked", interrupted=True)
BATCHED = Scenario("in batches that raise", output="batched")
IN_CONTEXTS = Scenario("with a context", output="in contexts")
WITH_CHECKPOINTS = Scenario("with checkpoints", output="with checkpoints")
RECYCLED = Scenario("with workers that are replaced", output="recycled")
AT_ONCE = Scenario("with several items at once", output="at once")
SCENARIOS = {
    "client.before_give_back": AT_ONCE,
    "worker.before_recycling": RECYCLED,
    "supervisor.before_printed": RECYCLED,
    "journal.before_printed": RECYCLED,
    "client.before_checkpoint": WITH_CHECKPOINTS,
    "client.after_checkpoint": WITH_CHECKPOINTS,
    "broker.before_checkpoint": WITH_CHECKPOINTS,
    "journal.before_checkpoint": WITH_CHECKPOINTS,
    "worker.before_set_up": IN_CONTEXTS,
    "worker.before_clean_up": IN_CONTEXTS,
    "client.before_spool": SPOOLED,
    "client.after_spool": SPOOLED,
    "broker.before_spool": SPOOLED,
    "broker.before_publish": SPOOLED,
    "journal.before_spool": SPOOLED,
    "journal.before_publish": SPOOLED,
    "client.before_stream": STREAMED,
    "client.after_stream": STREAMED,
    "broker.before_stream": STREAMED,
    "journal.before_stream": STREAMED,
    "broker.before_reserve": METERED_ON,
    "client.before_apart": METERED,
    "broker.before_apart": METERED,
    "client.before_defer": DEFERRED,
    "broker.before_defer": DEFERRED,
    "journal.before_defer": DEFERRED,
    "broker.before_cursor": BEHIND,
    "broker.before_keys": KEYED,
    "journal.before_cursor": BEHIND,
    "broker.before_source_span": TWO_SOURCES,
    "journal.before_source_span": TWO_SOURCES,
    "broker.before_poll_answer": ASKED,
    "broker.before_drain": DRAINED,
    "supervisor.before_drain": DRAINED,
    "worker.before_single": BATCHED,
    "worker.after_store": STORED,
    "client.before_rest": STORED,
    "broker.before_rest": STORED,
    "supervisor.before_purge": STORED,
    "broker.before_grant": FULL,
    "broker.before_absorb": CARRIED_ON,
    "broker.before_refill": CARRIED_ON,
    "broker.before_blame": BEREAVED,
    "broker.before_recall": RETRIED,
    "supervisor.before_worker_ended": BEREAVED,
    "supervisor.before_halt": INTERRUPTED,
    "journal.before_flush": IMPATIENT,
    "journal.before_backup": UPGRADED,
    "journal.before_upgrade": UPGRADED,
}
"""Points that nobody reaches in a plain run."""

TRUTHFUL = {
    ("kill", "worker"): {0},
    ("kill", "source"): {0},
    ("kill", "script"): {-signal.SIGKILL},
    # What was hit a moment before its end may have ended well.
    ("kill", "broker"): {0, 3},
    ("error", "worker"): {0},
    ("error", "source"): {0, 3},
    ("error", "script"): {0, 3},
    ("error", "broker"): {0, 4},
}
"""The exit codes of the script, by what happened and whom it hit."""

RAISED_BY_USER = {
    "client.before_put_sent",
    "client.after_put_sent",
    "client.before_flush",
    "worker.before_set_up",
}
"""An error there looks like one of the source or context, whose traceback the user needs."""


@dataclass(slots=True)
class Ended:
    """How a run ended.

    Attributes:
        pid: The script's process.
        code: Its exit code.
        error: What it, and all of its processes, have said.
        hits: Who has reached each point, in order.
    """

    pid: int
    code: int
    error: str
    hits: dict[str, list[int]]

    def role_of(self, pid: int, home: Path) -> str:
        """Return what a process of this run was."""
        brokers = {p for name, pids in self.hits.items() if _by_broker(name) for p in pids}
        lines = [line.split() for line in (home / EFFECTS).read_text().splitlines()]
        sources = {int(words[2]) for words in lines if words[:2] == ["P", "source"]}
        roles = {"script": {self.pid}, "broker": brokers, "source": sources}
        return next((role for role, pids in roles.items() if pid in pids), "worker")


def _by_broker(point: str) -> bool:
    return point.startswith(("broker.", "journal."))


@dataclass(slots=True)
class Theatre:
    """Plays the load, undisturbed or not.

    Attributes:
        warm: Starts the script.
        place: Where directories are made.
    """

    warm: WarmInterpreter
    place: Path
    _rehearsals: dict[Scenario, Counter[str]] = field(default_factory=dict)
    _homes: int = 0

    def hits(self, scenario: Scenario, point: str) -> int:
        """Return how often a point is reached when nothing else happens.

        Not every run comes to a point at which it gives back what it has not begun.
        """
        known = self._rehearsals.setdefault(scenario, Counter())
        for _ in range(REHEARSALS_MAX):
            if known[point]:
                break
            ended = self.run(self.home(scenario), scenario)
            known |= Counter({name: len(pids) for name, pids in ended.hits.items()})
        return known[point]

    def home(self, scenario: Scenario) -> Path:
        """Return a new directory, as the scenario begins in it."""
        self._homes += 1
        home = self.place / f"home-{self._homes}"
        if scenario.carried_on:
            # The socket of a killed broker cannot be copied, and means nothing elsewhere.
            half_done = self._half_done("after_seal" if scenario.sealed else "before_seal")
            shutil.copytree(half_done, home, ignore=shutil.ignore_patterns("*.broker"))
        else:
            home.mkdir()
        return home

    def _half_done(self, point: str) -> Path:
        home = self.place / f"half-done-{point}"
        if not home.exists():
            home.mkdir()
            assert self.run(home, PLAIN, f"broker.{point}@1:kill").code == 3
        return home

    def run(self, home: Path, scenario: Scenario, failpoint: str = "") -> Ended:
        """Run the script to its end; nothing of it may stay."""
        hits = home / "hits"
        shutil.rmtree(hits, ignore_errors=True)
        hits.mkdir()
        (home / "stderr").write_text("")
        armed = {
            failpoints.VARIABLE: ",".join(filter(None, [scenario.armed, failpoint])),
            failpoints.HITS_VARIABLE: str(hits),
        }
        newer = scenario.environment(self._scripts())
        pid, code = self.warm.run(SCRIPT, home, SETTINGS | armed | newer)
        self._see_all_gone()
        error = (home / "stderr").read_text()
        reached = {path.name: list(map(int, path.read_text().split())) for path in hits.iterdir()}
        return Ended(pid, code, error, reached)

    def finish(self, home: Path, scenario: Scenario) -> None:
        """Start again, undisturbed, unless nothing is left to do."""
        journal = home / JOURNAL
        if journal.exists() and load_states(journal) == ["settled"]:
            return
        undisturbed = Scenario("carried on", upgraded=scenario.upgraded, output=scenario.output)
        ended = self.run(home, undisturbed)
        assert ended.code == 0, ended.error

    def _scripts(self) -> Path:
        """Return the migrations, with one more than there is."""
        scripts = self.place / "migrations"
        if not scripts.exists():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "migrations", scripts, ignore=skip)
            (scripts / "versions" / "0002_title.py").write_text(SECOND_MIGRATION)
        return scripts

    def _see_all_gone(self) -> None:
        deadline = time.monotonic() + ALL_GONE_S
        while (left := self.warm.offspring()) and time.monotonic() < deadline:
            time.sleep(0.002)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, f"processes were left behind: {left}"


SECOND_MIGRATION = '''"""Say why each run ended as it did say."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("UPDATE run SET reason = reason")
'''


@pytest.fixture(scope="module")
def theatre(servants: set[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """One warm interpreter for all runs."""
    with WarmInterpreter() as warm:
        servants.add(warm.pid)
        yield Theatre(warm, tmp_path_factory.mktemp("failpoints"))
    servants.discard(warm.pid)


def test_there_are_points() -> None:
    """The list below is taken from the code; an empty one would test nothing."""
    assert {"broker.before_commit", "worker.after_handler", "source.before_seal"} <= set(POINTS)
    assert set(SCENARIOS) <= set(POINTS)


@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize("point", POINTS)
def test_a_fault_at_a_named_instant_costs_no_more_than_promised(
    point: str, action: str, theatre: Theatre
) -> None:
    """At the first, the second and the last time that any process comes there.

    Run until it happens, then run again until the load is settled.
    """
    scenario = SCENARIOS.get(point, PLAIN)
    last = theatre.hits(scenario, point)
    assert last, "nobody comes there"
    for hit in sorted({1, min(2, last), last}):
        _fault_at(theatre, scenario, (point, hit, action))


def _fault_at(theatre: Theatre, scenario: Scenario, fault: tuple[str, int, str]) -> None:
    """Fault at one hit; where their number varies, a run that came out short tells the last one."""
    point, hit, action = fault
    for _ in range(TRIES_MAX):
        home = theatre.home(scenario)
        ended = theatre.run(home, scenario, f"{point}@{hit}:{action}")
        reached = len(ended.hits.get(point, []))
        if reached >= hit:
            _check(theatre, home, ended, scenario, (point, hit, action))
            return
        hit = max(1, reached)
    raise AssertionError(f"{point} was never reached {hit} times again")


def _check(
    theatre: Theatre, home: Path, ended: Ended, scenario: Scenario, fault: tuple[str, int, str]
) -> None:
    """The exit code is true, the sentence clear, and after another start the equations hold."""
    point, hit, action = fault
    role = ended.role_of(ended.hits[point][hit - 1], home)
    truthful = TRUTHFUL[action, role] | ({143} if scenario.interrupted else set())
    assert ended.code in truthful, ended.error
    if point not in RAISED_BY_USER:
        assert "Traceback" not in ended.error, ended.error
    if ended.code in {3, 4}:
        assert ended.error.splitlines()[-1].startswith(("soak: ", "persistq: ")), ended.error
    theatre.finish(home, scenario)
    evidence = read_evidence(home)
    keys = {f"{stage}{n}" for stage in "ab" for n in range(ITEMS)}
    evidence.put = evidence.acknowledged = keys
    with pytest.MonkeyPatch.context() as known:
        known.setattr(marks, "SCHEMA_VERSION", marks.SCHEMA_VERSION + scenario.upgraded)
        verdict = judge(evidence, home / JOURNAL, "ab", [role, *scenario.faults], LIMITS)
    assert not verdict.problems, (fault, role, verdict.problems, ended.error)
