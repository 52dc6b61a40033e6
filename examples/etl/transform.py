"""From a row of text to a flight worth storing: pure functions, without files or databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dataset import Reference, Weather

Flight = dict[str, Any]
"""One row of the warehouse, by column."""

NO_WEATHER = Weather(None, None, None, None)


def clean_flight(row: Mapping[str, str]) -> Flight:
    """Return a row with its types: numbers as numbers, ``NA`` as None.

    Raises:
        ValueError: A field does not hold what its column is for.
    """
    datetime.fromisoformat(row["time_hour"])  # It stays text, but it must be a time.
    return {
        "time_hour": row["time_hour"],
        "carrier": row["carrier"],
        "flight": int(row["flight"]),
        "day": f"{int(row['year']):04}-{int(row['month']):02}-{int(row['day']):02}",
        "origin": row["origin"],
        "dest": row["dest"],
        "tailnum": known(row["tailnum"]),
        "dep_delay": whole(row["dep_delay"]),
        "arr_delay": whole(row["arr_delay"]),
        "air_time": whole(row["air_time"]),
        "distance": int(row["distance"]),
        "cancelled": row["dep_time"] == "NA",
    }


def join_flight(flight: Flight, reference: Reference) -> Flight:
    """Return a flight with its carrier's name, its plane's year, and the weather at departure.

    What is not known is None; a carrier that is not known is an error, there are only sixteen.

    Raises:
        KeyError: No such carrier.
    """
    weather = reference.weather.get((flight["origin"], flight["time_hour"]), NO_WEATHER)
    return {
        **flight,
        "carrier_name": reference.carriers[flight["carrier"]],
        "plane_year": reference.plane_years.get(flight["tailnum"]),
        **weather._asdict(),
    }


def known(text: str) -> str | None:
    """Return a text, or None for ``NA``."""
    return None if text == "NA" else text


def whole(text: str) -> int | None:
    """Return a whole number, or None for ``NA``."""
    return None if text == "NA" else int(text)
