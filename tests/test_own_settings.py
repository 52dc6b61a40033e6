"""A program's own settings: a subclass of persistq's, with further fields and a prefix."""

from __future__ import annotations

import os
import pickle
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from msgspec import Meta
from pydantic import BaseModel

from persistq import Pipeline, Settings
from persistq.errors import UsageError
from persistq.settings import PREFIX, load_settings


class Colour(Enum):
    """One of two."""

    RED = "red"
    BLUE = "blue"


class Sales(Settings):
    """What a program sets."""

    env_prefix: ClassVar[str] = "SALES_"

    table: str = "sales"
    url: str
    limit: int = 3
    token: str = "none"


class Price(BaseModel):
    """A model of pydantic's."""

    amount: int
    currency: str = "EUR"


class Rich(Settings):
    """Fields of many types."""

    env_prefix: ClassVar[str] = "RICH_"

    level: Annotated[int, Meta(ge=1, le=5)] = 1
    countries: list[str] = []  # noqa: RUF012 - msgspec copies it
    limits: dict[str, int] = {}  # noqa: RUF012
    since: date = date(2024, 1, 1)
    folder: Path = Path("here")
    price: Price = Price(amount=1)
    colour: Colour = Colour.RED

    def __post_init__(self) -> None:
        if self.level == 5 and not self.countries:
            raise ValueError("level 5 needs countries")


class Plain(Settings):
    """Further settings under persistq's own prefix."""

    table: str = "sales"


@pytest.fixture(autouse=True)
def bare_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test in an empty directory, without settings from the outside."""
    for name in [
        name for name in os.environ if name.upper().startswith((PREFIX, "SALES_", "RICH_"))
    ]:
        monkeypatch.delenv(name)
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SALES_URL", "sqlite:///here")
    return tmp_path


def refusal(kind: type[Settings] = Sales, **overrides: object) -> str:
    """Return the text with which the settings are refused."""
    with pytest.raises(UsageError) as caught:
        load_settings(kind, **overrides)
    return str(caught.value)


def test_further_fields_come_from_variables_of_their_own_prefix(
    monkeypatch: pytest.MonkeyPatch, bare_directory: Path
) -> None:
    """From the environment, from .env, from arguments; the environment wins over the file."""
    (bare_directory / ".env").write_text("SALES_TABLE=from_file\nSALES_URL=from_file\n")
    monkeypatch.setenv("SALES_LIMIT", "5")
    found = load_settings(Sales, token="t")
    assert (found.url, found.table, found.limit) == ("sqlite:///here", "from_file", 5)
    assert found.token == "t"
    assert "token='***'" in repr(found)
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_setting_of_persistq_comes_from_both_prefixes_and_the_own_one_wins(
    monkeypatch: pytest.MonkeyPatch, bare_directory: Path
) -> None:
    """What is set for all programs holds where this one says nothing."""
    monkeypatch.setenv("PERSISTQ_WORKERS", "7")
    monkeypatch.setenv("PERSISTQ_RETRIES", "7")
    monkeypatch.setenv("SALES_RETRIES", "8")
    (bare_directory / ".env").write_text("PERSISTQ_BACKOFF=9\nSALES_BACKOFF_MAX=10\n")
    found = load_settings(Sales)
    assert (found.workers, found.retries, found.backoff, found.backoff_max) == (7, 8, 9, 10)


def test_a_further_field_comes_from_its_own_prefix_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of persistq's is none of the program's."""
    monkeypatch.setenv("PERSISTQ_TABLE", "orders")
    assert load_settings(Sales).table == "sales"


def test_a_class_without_a_prefix_has_that_of_persistq(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its fields are no misspelt settings."""
    monkeypatch.setenv("PERSISTQ_TABLE", "orders")
    monkeypatch.setenv("PERSISTQ_WORKERS", "2")
    found = load_settings(Plain)
    assert (found.table, found.workers) == ("orders", 2)


def test_a_field_that_is_not_set_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence."""
    monkeypatch.delenv("SALES_URL")
    assert refusal() == "SALES_URL: it is not set, and has no default"


def test_a_wrong_value_is_named_by_its_variable_and_secrets_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, bare_directory: Path
) -> None:
    """Also in the file."""
    monkeypatch.setenv("SALES_LIMIT", "many")
    assert refusal().startswith("SALES_LIMIT: 'many' is refused: it should be a whole number")
    monkeypatch.setenv("SALES_LIMIT", "1")
    assert refusal(token=["s3cret"]).startswith("argument token: *** is refused")
    (bare_directory / ".env").write_text("SALES_RETRIES=often\n")
    assert refusal().startswith("SALES_RETRIES in .env: 'often' is refused")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("SALES_LIMITS", "SALES_LIMIT"), ("PERSISTQ_WORKER", "PERSISTQ_WORKERS")],
)
def test_a_variable_that_is_nearly_a_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    """Of each prefix."""
    monkeypatch.setenv(variable, "1")
    assert refusal() == f"{variable}: there is no setting of this name; did you mean {meant}?"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("level", "2", 2),
        ("countries", '["at", "ch"]', ["at", "ch"]),
        ("limits", '{"at": 3}', {"at": 3}),
        ("since", "2025-02-03", date(2025, 2, 3)),
        ("folder", "{there}", Path("{there}")),
        ("price", '{"amount": "7"}', Price(amount=7)),
        ("colour", "blue", Colour.BLUE),
    ],
)
def test_a_field_may_have_any_type_that_can_be_read_from_a_text(
    name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from its own values, as an argument has them."""
    assert getattr(load_settings(Rich, **{name: value}), name) == value
    monkeypatch.setenv(f"RICH_{name.upper()}", text)
    assert getattr(load_settings(Rich), name) == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("level", "6", "it should be a whole number, from 1 to 5"),
        ("countries", "at", "it should be a JSON list (Expected `array`, got `str`)"),
        ("limits", '{"at": "x"}', "it should be a JSON object (Expected `int`, got `str` - at `$["),
        ("since", "now", "it should be a value of type date (Invalid RFC3339 encoded date)"),
        ("price", '{"amount": "x"}', "it should be a value of type Price ("),
        ("colour", "green", "it should be 'red' or 'blue'"),
    ],
)
def test_a_wrong_value_of_such_a_type_is_refused_in_words(
    name: str, text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of the variable, and the value."""
    monkeypatch.setenv(f"RICH_{name.upper()}", text)
    assert refusal(Rich).startswith(f"RICH_{name.upper()}: {text!r} is refused: {reason}")


def test_what_a_class_says_of_several_fields_is_told_in_its_name() -> None:
    """It is a wrong setting like any other."""
    assert refusal(Rich, level=5) == "Rich: level 5 needs countries"


def test_tables_of_several_places_are_merged_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As parameters are."""
    monkeypatch.setenv("RICH_LIMITS", '{"at": 1, "ch": 2}')
    assert load_settings(Rich, limits={"at": 3}).limits == {"at": 3, "ch": 2}


def test_a_prefix_that_every_variable_has_is_refused() -> None:
    """Otherwise each variable of the environment would be taken for a setting."""

    class Bare(Settings):
        env_prefix: ClassVar[str] = ""

    assert refusal(Bare).startswith("Bare: env_prefix='' is refused: give what")


def test_the_project_file_has_persistqs_own_settings_only(bare_directory: Path) -> None:
    """The commands read it as well, and know no others."""
    (bare_directory / "pyproject.toml").write_text('[tool.persistq]\ntable = "x"\n')
    assert refusal().startswith("table in [tool.persistq] of ")


def test_what_is_no_class_of_settings_is_refused() -> None:
    """Where it is given."""
    for wrong in (dict, {"retries": 3}, load_settings()):
        with pytest.raises(UsageError, match=r"give a class that inherits persistq\.Settings"):
            Pipeline("demo", settings=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 1])
def test_handlers_source_and_context_get_the_programs_own_settings(
    workers: int, monkeypatch: pytest.MonkeyPatch, bare_directory: Path
) -> None:
    """By the name ``settings``; an argument of ``run`` may be one of them."""
    monkeypatch.setenv("SALES_LIMIT", "2")
    pipeline = Pipeline("demo", workers=workers, settings=Sales)
    notes = bare_directory / "notes"

    @pipeline.source
    def numbers(settings: Sales) -> range:
        return range(settings.limit)

    @pipeline.context
    def connect(settings: Sales) -> str:
        return settings.url

    @pipeline.stage
    def store(number: int, ctx: str, settings: Sales) -> None:
        with notes.open("a") as file:
            file.write(f"{ctx} {settings.table}\n")

    pipeline.run(table="orders", journal=str(bare_directory), progress="none", start_method="fork")
    assert notes.read_text() == "sqlite:///here orders\n" * 2
