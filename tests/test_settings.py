"""Where settings come from, which source wins, and how wrong ones are refused."""

from __future__ import annotations

import importlib.util
import os
import pickle
from pathlib import Path
from types import ModuleType

import pytest

from persistq.errors import UsageError
from persistq.fields import fields_of
from persistq.settings import PREFIX, Settings, available_cpus, load_settings

DOCS = Path(__file__).parent.parent / "docs"


def load_page() -> ModuleType:
    """Return the script that makes the page; it is part of the docs and not of the package."""
    spec = importlib.util.spec_from_file_location("settings_page", DOCS / "settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


page = load_page()


@pytest.fixture(autouse=True)
def bare_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test in an empty directory, without settings from the outside."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)
    # An empty project file keeps the search from looking above the test's own directory.
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_project(directory: Path, text: str) -> Path:
    """Write a project file with the given lines in persistq's table."""
    path = directory / "pyproject.toml"
    path.write_text(f"[tool.persistq]\n{text}\n")
    return path


def refusal(**overrides: object) -> str:
    """Return the text with which the settings are refused."""
    with pytest.raises(UsageError) as caught:
        load_settings(**overrides)
    return str(caught.value)


# --- sources --------------------------------------------------------------------------------------


def test_defaults_hold_where_nothing_is_said() -> None:
    """Without any source every setting has the value the documentation promises."""
    settings = load_settings()
    assert settings.journal == ".persistq"
    assert settings.durability == "normal"
    assert settings.workers is None
    assert settings.item_bytes_max == 256 * 1024**2
    assert settings.params == {}


def test_each_source_wins_over_those_below_it(
    bare_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Argument, environment, .env, pyproject.toml: adding a higher source changes the value."""
    write_project(bare_directory, "window_max = 4")
    assert load_settings().window_max == 4
    (bare_directory / ".env").write_text("PERSISTQ_WINDOW_MAX=3\n")
    assert load_settings().window_max == 3
    monkeypatch.setenv("PERSISTQ_WINDOW_MAX", "2")
    assert load_settings().window_max == 2
    assert load_settings(window_max=1).window_max == 1


def test_an_override_of_none_leaves_the_other_sources_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None means that the argument was not given."""
    monkeypatch.setenv("PERSISTQ_RETRIES", "7")
    assert load_settings(retries=None).retries == 7


@pytest.mark.parametrize(("name", "value"), [("workers", 0), ("fresh", False), ("window_time", 0)])
def test_an_override_that_is_falsy_still_wins(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 and False are values, not the absence of one."""
    monkeypatch.setenv(PREFIX + name.upper(), "1")
    assert getattr(load_settings(**{name: value}), name) == value


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable emptied for one command does not hide the default."""
    monkeypatch.setenv("PERSISTQ_WORKERS", "")
    assert load_settings().workers is None


def test_project_file_above_the_current_directory_is_found(
    bare_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest pyproject.toml counts, wherever in the project one stands."""
    write_project(bare_directory, 'journal = "elsewhere"')
    inner = bare_directory / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert load_settings().journal == "elsewhere"


def test_nearest_project_file_hides_those_above_it(
    bare_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Projects inside projects do not inherit settings."""
    write_project(bare_directory, "retries = 5")
    inner = bare_directory / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("")
    monkeypatch.chdir(inner)
    assert load_settings().retries == 0


def test_params_of_several_sources_are_merged_by_name(
    bare_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A higher source replaces single parameters, not all of them."""
    (bare_directory / "pyproject.toml").write_text("[tool.persistq.params]\na = 1\nb = 1\nc = 1\n")
    monkeypatch.setenv("PERSISTQ_PARAMS", '{"b": 2, "c": 2}')
    assert load_settings(params={"c": 3}).params == {"a": 1, "b": 2, "c": 3}


def test_home_directory_in_the_journal_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands the tilde in a file of settings."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load_settings(journal="~/journals").journal == "/home/somebody/journals"


def test_settings_survive_pickling_and_do_not_change() -> None:
    """Workers under spawn get the very same settings, and nobody can alter them."""
    settings = load_settings(params={"year": 2013}, workers=3)
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(AttributeError, match="immutable"):
        settings.workers = 4  # type: ignore[misc]


# --- refusals -------------------------------------------------------------------------------------


def test_wrong_argument_is_refused_with_value_and_bound() -> None:
    """The sentence names the argument, what was given, and what is allowed."""
    text = refusal(flush_interval=0)
    assert text == (
        "argument flush_interval: 0 is refused: "
        "it should be a number of seconds, above 0 and at most 60"
    )


def test_wrong_variable_is_refused_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets a variable reads about that variable."""
    monkeypatch.setenv("PERSISTQ_WORKERS", "many")
    assert refusal() == (
        "PERSISTQ_WORKERS: 'many' is refused: "
        "it should be a whole number of processes, from 0 to 1,024"
    )


def test_wrong_line_of_dotenv_is_refused_by_name_and_file(bare_directory: Path) -> None:
    """The sentence tells .env from the environment."""
    (bare_directory / ".env").write_text("PERSISTQ_DURABILITY=maximal\n")
    text = refusal()
    assert text.startswith("PERSISTQ_DURABILITY in .env: 'maximal' is refused: ")
    assert "'normal' or 'full'" in text


def test_wrong_line_of_the_project_file_is_refused_with_its_path(bare_directory: Path) -> None:
    """The sentence says which of several project files it means."""
    path = write_project(bare_directory, "max_crashes = 0")
    assert refusal() == (
        f"max_crashes in [tool.persistq] of {path}: 0 is refused: "
        "it should be a whole number of crashes, from 1 to 1,000"
    )


def test_each_wrong_value_gets_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """All mistakes are told at once."""
    monkeypatch.setenv("PERSISTQ_BACKOFF", "-1")
    first, second = sorted(refusal(workers=-1).splitlines())
    assert first.startswith("PERSISTQ_BACKOFF: '-1' is refused")
    assert second.startswith("argument workers: -1 is refused")


def test_unknown_argument_is_refused_with_the_nearest_name() -> None:
    """A typing error does not pass for a setting."""
    text = refusal(wokers=4)
    assert text == "argument wokers: there is no setting of this name; did you mean workers?"


def test_unknown_key_of_the_project_file_is_refused(bare_directory: Path) -> None:
    """The table is persistq's own, so every key in it must mean something."""
    path = write_project(bare_directory, "colour = 1")
    assert refusal() == (f"colour in [tool.persistq] of {path}: there is no setting of this name")


def test_unknown_variable_in_dotenv_is_refused_despite_the_same_in_the_environment(
    bare_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is blamed, not the environment, where the same name is nobody's business."""
    monkeypatch.setenv("PERSISTQ_COLOUR", "1")
    (bare_directory / ".env").write_text("PERSISTQ_COLOUR=1\n")
    assert refusal() == "PERSISTQ_COLOUR in .env: there is no setting of this name"


def test_other_variables_are_left_alone(
    bare_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither other programs' lines in .env nor unknown variables of the environment matter."""
    (bare_directory / ".env").write_text("DATABASE_URL=postgresql://x\nworkers=many\n")
    monkeypatch.setenv("PERSISTQ_FAILPOINT", "done.before_commit")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("variable", "setting"), [("WROKERS", "WORKERS"), ("retrys", "RETRIES"), ("JURNAL", "JOURNAL")]
)
def test_a_variable_that_is_nearly_a_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, setting: str
) -> None:
    """A typing error would go unnoticed for a whole load."""
    monkeypatch.setenv(f"PERSISTQ_{variable}", "3")
    name = f"PERSISTQ_{variable.upper()}"
    near = f"did you mean PERSISTQ_{setting}?"
    assert refusal() == f"{name}: there is no setting of this name; {near}"


def test_journal_in_a_database_is_refused_for_now() -> None:
    """A URL is not mistaken for the name of a directory."""
    text = refusal(journal="postgresql://host/db")
    assert text.startswith("argument journal: 'postgresql://host/db' is refused: ")
    assert "PostgreSQL are not supported yet" in text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("RETRIES", " 1_000 ", 1000),
        ("KEEP_BYTES", "1e9", 10**9),
        ("BACKOFF", "5", 5.0),
        ("FRESH", "Yes", True),
        ("FRESH", "0", False),
        ("LOAD", "3", "3"),
        ("JOURNAL", "1_000", "1_000"),
        ("JOURNAL", "yes", "yes"),
        ("PARAMS", '{"day": "mon", "n": 1}', {"day": "mon", "n": 1}),
    ],
)
def test_a_text_is_what_the_setting_holds(
    name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers as Python and the page write them, common words, JSON; a text stays as it is."""
    monkeypatch.setenv(f"PERSISTQ_{name}", text)
    assert getattr(load_settings(), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("journal", Path("there"), "there"),
        ("backoff", 5, 5.0),
        ("keep_bytes", 1e9, 10**9),
        ("load", 3, "3"),
        ("load", "sales:3", "sales:3"),
        ("params", {"day": {1, 2}}, {"day": {1, 2}}),
    ],
)
def test_an_argument_may_be_what_python_has_for_it(name: str, given: object, value: object) -> None:
    """A path, a whole number for any, and of a parameter any object."""
    assert getattr(load_settings(**{name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given"), [("workers", "4"), ("workers", True), ("fresh", 1), ("retries", 1.5)]
)
def test_an_argument_of_another_type_is_refused(name: str, given: object) -> None:
    """What a program hands over by mistake is not guessed at."""
    assert refusal(**{name: given}).startswith(f"argument {name}: {given!r} is refused: it should")


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("load", "sales:0", "it should be the number of a load, as 3, or 'sales:3'"),
        ("halt", "sometimes", "'sometimes' is no rule: write 'never'"),
        ("journal", "", "it should be the path of a directory"),
        ("progress", "loud", "it should be 'auto', 'plain', 'json', 'log' or 'none'"),
        ("fresh", "maybe", "it should be true or false"),
    ],
)
def test_a_refusal_says_what_is_wanted(name: str, given: str, reason: str) -> None:
    """In words, and in the setting's own."""
    assert reason in refusal(**{name: given})


def test_settings_show_no_secrets() -> None:
    """Whoever prints them for a log gets what is named like a secret masked."""
    assert "params={'password': '***', 'day': 'mon'}" in repr(
        load_settings(params={"password": "hush", "day": "mon"})
    )


def test_settings_know_what_was_given() -> None:
    """A value that is given is not a default, also where it is the same."""
    settings = load_settings(journal=".persistq")
    assert settings.says("journal")
    assert not settings.says("workers")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_are_none_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for an infinite or undefined time is never meant."""
    monkeypatch.setenv("PERSISTQ_SHUTDOWN_GRACE", value)
    assert refusal().startswith("PERSISTQ_SHUTDOWN_GRACE: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{year", "a JSON object (JSON is malformed"),
        ("[1]", "a JSON object (Expected `object`, got `array`"),
        ("3", "a JSON object"),
    ],
)
def test_params_that_are_no_json_object_are_refused(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken JSON and JSON of another kind are both refused by the variable's name."""
    monkeypatch.setenv("PERSISTQ_PARAMS", text)
    message = refusal()
    assert message.startswith("PERSISTQ_PARAMS: ")
    assert reason in message


def test_broken_params_are_not_shown_if_a_secret_is_in_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message ends up in a log."""
    monkeypatch.setenv("PERSISTQ_PARAMS", '{"password": "hush"')
    assert "hush" not in refusal()


def test_a_line_of_dotenv_that_is_no_text_is_refused_by_path(bare_directory: Path) -> None:
    """It is not left to Python to say so."""
    path = bare_directory / ".env"
    path.write_bytes(b"PERSISTQ_JOURNAL=\xff")
    assert refusal().startswith(f"{path} cannot be read: ")


@pytest.mark.parametrize("text", ["[tool", "[tool]\npersistq = 3", "tool = 3"])
def test_broken_project_file_is_refused_by_path(bare_directory: Path, text: str) -> None:
    """A project file that cannot be understood is named."""
    path = bare_directory / "pyproject.toml"
    path.write_text(text)
    assert refusal().startswith(f"{path}")


@pytest.mark.parametrize("name", [row.name for row in page.describe() if "number" in row.type])
def test_every_number_has_an_upper_bound(name: str) -> None:
    """No number can be set so high that it means no limit by accident."""
    assert f"argument {name}: " in refusal(**{name: 10**15})


@pytest.mark.parametrize("file", [".env", "pyproject.toml"])
def test_a_file_does_not_say_what_this_host_is_called(bare_directory: Path, file: str) -> None:
    """Other hosts may read the same file."""
    text = "PERSISTQ_HOST=left" if file == ".env" else '[tool.persistq]\nhost = "left"'
    (bare_directory / file).write_text(text)
    with pytest.raises(UsageError, match=r"host is not taken from .* set PERSISTQ_HOST"):
        load_settings()


def test_a_host_is_called_by_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in files and in sentences."""
    monkeypatch.setenv("PERSISTQ_HOST", "left-1.b")
    assert load_settings().host == "left-1.b"
    monkeypatch.setenv("PERSISTQ_HOST", "a/b")
    with pytest.raises(UsageError, match="1 to 100 letters"):
        load_settings()


# --- the page -------------------------------------------------------------------------------------


def test_every_setting_is_described_in_full_sentences() -> None:
    """Each description ends as a sentence, and each variable is the name in capitals."""
    rows = page.describe()
    assert {row.name for row in rows} == set(fields_of(Settings))
    for row in rows:
        assert row.description.endswith("."), row.name
        assert row.variable == f"PERSISTQ_{row.name.upper()}"


def test_description_shows_type_default_unit_and_bounds() -> None:
    """A row says all that a user needs to choose a value."""
    row = next(row for row in page.describe() if row.name == "flush_interval")
    assert (row.type, row.default, row.bounds) == ("number", "`1.0`", "above `0` to `60` seconds")


def test_settings_page_is_up_to_date() -> None:
    """The committed page is what the declarations say; the command in its head renews it."""
    assert (DOCS / "settings.md").read_text() == page.render()


def test_available_cpus_is_at_least_one_and_at_most_all() -> None:
    """The default number of workers is one this machine can run at once."""
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
