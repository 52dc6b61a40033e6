"""The load of flights, killed at random: afterwards every row is in the warehouse, and there once.

``python -m tests.crash.flights --kills 30 --seed 7`` loads the real year, into SQLite and into
PostgreSQL, whose server is killed as well. Every decision comes from the seed.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from persistq.testing import check_journal
from tests.sinks.targets import Server, running_server

from .nemesis import COOKIE, living

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "etl"
sys.path.insert(0, str(EXAMPLE))

import dataset  # noqa: E402 - the modules of an example find each other as when it is run
import warehouse as warehouses  # noqa: E402
from sqlalchemy import select  # noqa: E402
from sqlalchemy.exc import DBAPIError  # noqa: E402
from transform import clean_flight, join_flight  # noqa: E402

ROLES = ("worker", "workers", "script", "broker", "everything")
OF_SERVERS = ("server", "server and everything")
TRUE_CODES = {"script": {-9}, "broker": {3}, "everything": {-9}, "server and everything": {-9}}
"""What a run ends with if this is hit. It outlives the other roles."""
PART_MAX = 0.02
"""The largest part of the load that passes between two kills, if it can be helped."""
START_S = 1.5
EARLY = 0.3
"""How often a run is hit at its start, instead of after some more of the load."""
LATE = 0.6
"""Nobody is killed when so much is stored: whoever starts a load that is settled begins another."""
COMMIT_S = 0.5
"""Longest wait for a commit, so that a kill comes between that and its report."""
DEADLINE_S = 240.0
POLL_S = 0.005

_COLUMNS = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,"
    "flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour"
)


@dataclass
class Report:
    """What has come of one load.

    Attributes:
        rows: How many rows there ought to be.
        runs: How often the script was started.
        kills: How often each role was hit.
        problems: What was promised and does not hold.
    """

    rows: int
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{role} {count}" for role, count in self.kills.most_common())
        found = "; ".join(self.problems) or "every row is there once, and no receipt is left"
        return (
            f"{self.rows:,} rows, {self.runs} runs, {self.kills.total()} kills ({kills}): {found}"
        )


class Load:
    """One load, in a directory of its own.

    Args:
        home: An empty directory.
        server: The PostgreSQL to load into, or None for a SQLite file.
        dice: Decides everything.
        site: Where the package of flights is, if not where Python finds it.
    """

    def __init__(
        self, home: Path, server: Server | None, dice: random.Random, site: Path | None
    ) -> None:
        self._home = home
        self._server = server
        self._dice = dice
        self._site = site
        self._cookie = secrets.token_hex(8)
        url = f"sqlite:///{home / 'warehouse.db'}" if server is None else server.url
        self._url = url
        self.warehouse = warehouses.Warehouse(url)
        # So that whoever looks at a file does not keep the source from setting its mode.
        self.warehouse.prepare()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the script, which begins the load or carries it on."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PERSISTQ_")}
        settings = {
            COOKIE: self._cookie,
            "WAREHOUSE_URL": self._url,
            "PERSISTQ_PROGRESS": "none",
            # Who is killed at random is not to blame.
            "PERSISTQ_MAX_CRASHES": "1000",
            "XDG_STATE_HOME": str(self._home / "state"),
        }
        if self._site is not None:
            settings["PYTHONPATH"] = str(self._site)
        with (self._home / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, str(EXAMPLE / "flights.py")],
                cwd=self._home,
                env=kept | settings,
                stdout=said,
                stderr=said,
            )

    def stored(self) -> int:
        """Return how many rows are stored; 0 while there is no table, or no server."""
        try:
            return sum(self.warehouse.flights_by_day().values())
        except DBAPIError:
            return 0

    def await_commit(self) -> None:
        """Wait until something is committed, for a while."""
        before, deadline = self._pulse(), time.monotonic() + COMMIT_S
        while self._pulse() == before and time.monotonic() < deadline:
            pass

    def strike(self, role: str, victims: list[int]) -> None:
        """Kill who plays a role."""
        for pid in victims:
            _kill(pid)
        if "server" in role and self._server is not None:
            self._server.crash()
            self._server.restart()
            # Connections that were pooled are dead.
            self.warehouse.close()

    def _pulse(self) -> object:
        """Return what changes with each commit, and is read at once."""
        try:
            with self.warehouse.connect() as connection:
                return connection.exec_driver_sql(
                    "SELECT count(*), max(last_item) FROM persistq_receipt"
                ).one()
        except DBAPIError:
            return None

    def vanish(self) -> bool:
        """Wait until no process of a run is left."""
        return _until(lambda: not living(self._cookie))

    def said(self) -> str:
        """Return the end of what the script has said."""
        return (self._home / "said").read_text(errors="replace")[-3000:]

    @property
    def journal(self) -> Path:
        """The file of the journal."""
        return self._home / ".persistq" / "flights.db"

    def victims(self, role: str, script: int) -> list[int]:
        """Return who plays a role now."""
        lines = living(self._cookie)
        brokers = [pid for pid, line in lines.items() if "persistq.broker" in line]
        workers = sorted(
            pid
            for pid, line in lines.items()
            if pid not in {script, *brokers} and "resource_tracker" not in line
        )
        match role:
            case "worker":
                return self._dice.sample(workers, min(1, len(workers)))
            case "workers":
                return workers
            case "script":
                return [script]
            case "broker":
                return brokers
            case "server":
                return []
            case _:
                return [*lines]


def play(
    home: Path, seed: int, kills: int, *, server: Server | None = None, site: Path | None = None
) -> Report:
    """Load flights, kill at random, carry on, and compare all rows with what they ought to be.

    Args:
        home: A directory to be made.
        seed: Decides whom to hit, and when.
        kills: How often.
        server: The PostgreSQL to load into; by default it is a SQLite file.
        site: Where the package of flights is, if not where Python finds it.
    """
    home.mkdir()
    dice = random.Random(seed)
    load = Load(home, server, dice, site)
    try:
        expected = _expected(home, site)
        report = Report(expected.total())
        _attack(load, report, kills, dice, (*ROLES, *(OF_SERVERS if server else ())))
        report.problems += _problems(load, expected)
    finally:
        load.warehouse.close()
        for pid in living(load._cookie):
            _kill(pid)
    return report


def _attack(
    load: Load, report: Report, kills: int, dice: random.Random, roles: tuple[str, ...]
) -> None:
    """Kill somebody again and again; then leave the load in peace until its end."""
    running = load.start()
    report.runs += 1
    while report.kills.total() < kills and not report.problems:
        role = dice.choice(roles)
        # A source that asks a server which is being killed fails by its own rights.
        early = "server" not in role and dice.random() < EARLY
        if not _moment(load, report, running, dice, early=early):
            break
        victims = load.victims(role, running.pid)
        if not victims and role != "server":
            continue
        if not early and dice.random() < 0.5:
            load.await_commit()
        load.strike(role, victims)
        report.kills[role] += 1
        if role in TRUE_CODES:
            _note_end(load, report, running.wait(DEADLINE_S), TRUE_CODES[role], after=role)
            running = load.start()
            report.runs += 1
    _note_end(load, report, running.wait(DEADLINE_S), {0}, after="peace")


def _moment(
    load: Load,
    report: Report,
    running: subprocess.Popen[bytes],
    dice: random.Random,
    *,
    early: bool,
) -> bool:
    """Wait for the moment of the next kill; False if it comes too late."""
    if early:
        time.sleep(dice.uniform(0, START_S))
    else:
        wanted = load.stored() + dice.uniform(0, PART_MAX) * report.rows
        if not _until(lambda: load.stored() > wanted or running.poll() is not None):
            report.problems.append(f"the load does not go on:\n{load.said()}")
        time.sleep(dice.uniform(0, POLL_S))
    return load.stored() < LATE * report.rows and not report.problems


def _note_end(load: Load, report: Report, code: int, true: set[int], *, after: str) -> None:
    if code not in true:
        report.problems.append(f"exit code {code} after {after}:\n{load.said()}")
    if not load.vanish():
        report.problems.append(f"processes are left after {after}")


def _problems(load: Load, expected: Counter[int]) -> Iterator[str]:
    """Yield what is wrong with a load that should be settled."""
    columns = warehouses.flights.c
    with load.warehouse.connect() as connection:
        found = Counter(hash(tuple(row)) for row in connection.execute(select(*columns)))
        receipts = connection.exec_driver_sql("SELECT count(*) FROM persistq_receipt").scalar_one()
    if lost := expected - found:
        yield f"{lost.total()} rows are missing"
    if more := found - expected:
        known = sum(count for row, count in more.items() if row in expected)
        yield f"{known} rows are there twice, and {more.total() - known} are unknown"
    if receipts:
        yield f"{receipts} receipts are left"
    yield from check_journal(load.journal)


def _expected(home: Path, site: Path | None) -> Counter[int]:
    """Return the rows that ought to be there, each by its hash."""
    package = dataset.package_data() if site is None else site / dataset.PACKAGE / "data"
    reference = dataset.load_reference(package)
    columns = [column.name for column in warehouses.flights.c]
    with zipfile.ZipFile(package / "flights.csv.zip") as archive:
        archive.extractall(home / "expected")
    with (home / "expected" / "flights.csv").open(newline="", encoding="utf-8") as lines:
        flights = (join_flight(clean_flight(row), reference) for row in csv.DictReader(lines))
        return Counter(hash(tuple(flight[name] for name in columns)) for flight in flights)


def write_package(site: Path, days: int, per_day: int) -> None:
    """Make a package like that of the flights, with so many of them; some are twins."""
    data = site / dataset.PACKAGE / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    (data / "airlines.csv").write_text("carrier,name\nUA,United\nEV,ExpressJet\n")
    (data / "planes.csv").write_text("tailnum,year,seats\nN1,1999,149\n")
    (data / "weather.csv").write_text("origin,temp,wind_speed,precip,visib,time_hour\n")
    rows = [_COLUMNS]
    for n in range(days):
        day = date(2013, 1, 1) + timedelta(days=n)
        rows += [",".join(map(str, _flight(day, number).values())) for number in range(per_day)]
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join(rows) + "\n")


def _flight(day: date, number: int) -> dict[str, Any]:
    # Every tenth is the same as the one before: a table without keys takes both.
    number -= number % 10 == 9
    hour = f"{day.isoformat()}T{number % 24:02}:00:00Z"
    known = {"year": day.year, "month": day.month, "day": day.day, "time_hour": hour}
    flight = {"carrier": "UA" if number % 3 else "EV", "flight": number, "tailnum": "N1"}
    place = {"origin": "EWR", "dest": "IAH", "distance": 100 + number}
    return dict.fromkeys(_COLUMNS.split(","), 1) | known | flight | place


def _until(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def main() -> int:
    """Load the year into both kinds of target, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.flights")
    parser.add_argument("--kills", type=int, default=30, help="for each target")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000_000))
    parser.add_argument("--target", choices=["sqlite", "postgresql"], help="only this one")
    given = parser.parse_args()
    print(f"--seed {given.seed}", flush=True)
    failed = False
    for target in [given.target] if given.target else ["sqlite", "postgresql"]:
        place = running_server() if target == "postgresql" else nullcontext()
        with place as server, tempfile.TemporaryDirectory() as home:
            report = play(Path(home, "load"), given.seed, given.kills, server=server)
        print(f"{target}: {report}", flush=True)
        failed |= bool(report.problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
