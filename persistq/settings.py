"""Settings: what they mean and where they come from.

Highest priority first: the command line (see `command_line`), arguments, environment variables
``PERSISTQ_*``, the file ``.env`` in the current directory, the table ``[tool.persistq]`` of the
nearest ``pyproject.toml``, the defaults. ``python docs/settings_page.py`` prints the page that
documents them.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from persistq.errors import UsageError
from persistq.halting import halt_rule
from persistq.policy import OPTIONS, Crashes, OnError, Seconds, Unit
from persistq.site.processes import HOST_PATTERN
from persistq.text.masking import MASK, is_secret
from persistq.text.suggestions import VERY_NEAR, nearest, suggestion
from persistq.text.terminal import encodable

PREFIX: Final = "PERSISTQ_"
ENV_FILE: Final = ".env"
PROJECT_FILE: Final = "pyproject.toml"
TABLE: Final = "[tool.persistq]"


Bytes = Annotated[int, Unit("bytes")]
Items = Annotated[int, Unit("items")]


def _of_policy(name: str) -> Any:
    """Return the field of an option that stages may say for themselves, as `Policy` has it."""
    option = OPTIONS[name]
    ge, gt, le = map(option.bounds.get, ("ge", "gt", "le"))
    return Field(option.default, ge=ge, gt=gt, le=le, description=option.description)


class Settings(BaseSettings):
    """Everything that can be set, validated and immutable; made by `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        # Other programs keep their variables in the same .env.
        dotenv_filtering="match_prefix",
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )

    journal: str = Field(
        ".persistq",
        min_length=1,
        description="Directory of the journals, one file per name; a relative one is relative to "
        "the current directory, and it is made when first needed; commands look for it above, too. "
        "It must be on a local disk, "
        "because SQLite's locks do not hold on network file systems.",
    )
    trust_owner: str | None = Field(
        None,
        description="Numbers of users, separated by commas, whose journals are used as if they "
        "were one's own, for example by root in a container that works on a user's directory. "
        "Whoever can write a journal can make this program run whatever he wants, also by "
        "`persistq resume`. Only one's own journals and root's are trusted otherwise. It is taken "
        "from the environment alone, because files in a directory may be the stranger's too.",
    )
    host: str | None = Field(
        None,
        description="What this host is called, where a host is a place in which numbers of "
        "processes mean something: unset, one boot of a machine, and each container in it. "
        "Programs under different names do not join each other's runs of a journal that they "
        "share, and are told who works on it; the same name declares that they see the same "
        "processes. It is taken from the environment alone, because a file is seen from several "
        "hosts.",
    )
    durability: Literal["normal", "full"] = Field(
        "normal",
        description="What a power failure may cost. With `normal`, puts, seals and failures are "
        "on disk before they are acknowledged, and done marks at most `flush_interval` later, so "
        "that much finished work may be repeated. With `full` every commit waits for the disk; "
        "loads of very short items get slower. Killed processes cost the same with both.",
    )
    flush_interval: Seconds = Field(
        1.0,
        gt=0,
        le=60,
        description="Longest time a committed done mark waits until it is forced to disk; only "
        "with `durability=normal`. Shorter repeats less after a power failure, longer syncs less "
        "often.",
    )
    workers: Annotated[int | None, Unit("processes")] = Field(
        None,
        ge=0,
        le=1024,
        description="Worker processes for each stage that does not say its own number. Unset "
        "means as many as this process may use CPUs; 0 runs everything inline in one process, "
        "for a debugger.",
    )
    start_method: Literal["fork", "spawn", "forkserver"] | None = Field(
        None,
        description="How `multiprocessing` starts workers and sources. Unset means Python's "
        "default on the platform. `fork` starts fastest; `spawn` and `forkserver` are safe "
        "beside threads, and need handlers that can be imported.",
    )
    ack_interval: Seconds = Field(
        0.001,
        ge=0,
        le=1,
        description="How much finished work a worker may hold unreported, to report several items "
        "in one message. It is what a killed worker may repeat beside the item in its hand; 0 "
        "reports each item at once, at the price of speed with very short items.",
    )
    window_time: Seconds = Field(
        0.004,
        ge=0,
        le=10,
        description="How much expected work may be handed to one worker ahead of time. More hides "
        "the way to the broker better; less spreads uneven items more evenly. With 0 a worker "
        "gets one item at a time.",
    )
    window_max: Items = Field(
        1024,
        ge=1,
        le=65_536,
        description="Most items handed to one worker ahead of time, however short they are.",
    )
    ready_bytes_max: Bytes = Field(
        64 * 1024**2,
        ge=1,
        le=64 * 1024**3,
        description="Most memory that waiting items of one queue take in the broker, counted with "
        "about 150 bytes for each item beside its payload; further items wait in the journal. A "
        "larger item is kept alone.",
    )
    item_bytes_max: Bytes = Field(
        256 * 1024**2,
        ge=1,
        le=1_000_000_000,
        description="Largest encoded item; a larger one is refused when it is put. SQLite stores "
        "no more than the upper bound. Large items are better kept in files, and their paths "
        "put.",
    )
    keep_loads: Annotated[int, Unit("loads")] = Field(
        20,
        ge=0,
        le=1_000_000,
        description="How many loads that have ended keep their rows. Of older ones the journal "
        "keeps counters, failures, and parked items with their payloads, which can still be "
        "retried. Loads that are unfinished, or were abandoned with outstanding items, keep all "
        "and are not counted. Journals whose names are made from one template, as `sales-{day}`, "
        "count together, and those with nothing left are removed.",
    )
    keep_bytes: Bytes = Field(
        1024**3,
        ge=0,
        le=1024**4,
        description="How many bytes the items of these loads may have together; the oldest give "
        "up their rows first. What is given up goes back to the file system.",
    )
    retries: int = _of_policy("retries")
    backoff: Seconds = _of_policy("backoff")
    backoff_max: Seconds = _of_policy("backoff_max")
    max_crashes: Crashes = _of_policy("max_crashes")
    on_error: OnError = _of_policy("on_error")
    timeout: Annotated[float | None, Unit("seconds")] = _of_policy("timeout")
    halt: str = _of_policy("halt")
    shutdown_grace: Seconds = Field(
        30.0,
        ge=0,
        le=86_400,
        description="After Ctrl-C or SIGTERM, how long items in hand may go on before their "
        "workers are killed; what is killed is outstanding. 0 kills at once.",
    )
    broker_timeout: Seconds = Field(
        30.0,
        gt=0,
        le=3_600,
        description="Longest wait for the broker to start and open the journal, including the "
        "recovery of a journal after a power failure; and for a live broker to take a connection.",
    )
    fence_timeout: Seconds = Field(
        60.0,
        ge=0,
        le=86_400,
        description="Longest wait, when a load is carried on, for workers of a broker that died: "
        "no item may run twice at the same time. If they are still at it then, the start is "
        "refused. Within a run, longest wait for what a dead worker has forked before its item is "
        "handed out again.",
    )
    progress: Literal["auto", "plain", "none"] = Field(
        "auto",
        description="How a pipeline shows its progress on standard error: `auto` draws a live "
        "display on a terminal and plain lines elsewhere, `plain` always writes lines, `none` is "
        "silent.",
    )
    progress_interval: Seconds = Field(
        0.5,
        ge=0.05,
        le=3_600,
        description="Time between two updates of the live display.",
    )
    progress_plain_interval: Seconds = Field(
        10.0,
        ge=0.05,
        le=86_400,
        description="Time between two plain lines of progress; longer keeps log files short.",
    )
    fresh: bool = Field(
        default=False,
        description="Begin a new load even if one is unfinished; that one is marked abandoned, "
        "and its outstanding items are not worked on. Meant as an argument for one run.",
    )
    retry_failed: bool = Field(
        default=False,
        description="Put the items parked by earlier runs back to work when a load is carried on; "
        "where none is unfinished, the latest load is reopened if it has such items. Meant for one "
        "run.",
    )
    load: str | None = Field(
        None,
        pattern=r"^(.+:)?[1-9]\d{0,17}$",
        description="The load to work on, by its number, as `persistq status` shows it: also one "
        "that was abandoned, or, with `retry_failed`, one that is settled. With a name in front, "
        "as in `sales:3`, it is for that journal only. `persistq resume` sets it.",
    )
    carry_on: bool = Field(
        default=False,
        description="Carry on the unfinished load even if the script asks for a fresh one or names "
        "other parameters; `persistq resume` sets it.",
    )
    params: dict[str, Any] = Field(
        {},
        description="Arguments given to the source by name, in the environment as a JSON object "
        'such as `{"year": 2013}`. Several places are merged name by name. They belong to the '
        "load: a start that carries it on takes them from there, and may not name other values.",
    )

    @field_validator("load", mode="before")
    @classmethod
    def _load_may_be_a_number(cls, value: object) -> object:
        return str(value) if type(value) is int else value

    @field_validator("halt")
    @classmethod
    def _halt_is_a_rule(cls, value: str) -> str:
        halt_rule(value)
        return value

    @field_validator("trust_owner")
    @classmethod
    def _trust_names_users(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"\d+(\s*,\s*\d+)*", value):
            raise ValueError("it should be numbers of users, separated by commas, such as 1000")
        return value

    @field_validator("host")
    @classmethod
    def _host_is_a_name(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(HOST_PATTERN, value):
            raise ValueError("it should be 1 to 100 letters, digits, '.', '_' or '-'")
        return value

    @field_validator("journal", mode="wrap")
    @classmethod
    def _journal_is_a_directory(cls, value: Any, check: ValidatorFunctionWrapHandler) -> str:
        # Lone surrogates, which pydantic refuses, are the bytes of a path that is no UTF-8.
        checked: str = check(encodable(value) if isinstance(value, str) else value)
        if "://" in checked:
            raise ValueError(
                "it is a database URL, and journals in PostgreSQL are not supported yet; "
                "give a directory"
            )
        return str(Path(value if isinstance(value, str) else checked).expanduser())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, highest priority first."""
        project = _ProjectSource(settings_cls)
        assert isinstance(dotenv_settings, EnvSettingsSource)
        _require_unsaid(init_settings(), "an argument")
        _require_unsaid(_unprefixed(dotenv_settings.env_vars), f"the file {ENV_FILE}")
        _require_unsaid(project.table, f"the file {project.path}")
        return init_settings, env_settings, dotenv_settings, project


_IN_THE_ENVIRONMENT_ALONE: Final = {
    "trust_owner": "may be the stranger's own",
    "host": "other hosts may share",
}
"""Settings of one process and its children, and what is wrong with any other place for them."""


def _require_unsaid(values: Mapping[str, Any], where: str) -> None:
    """Refuse a place that says what only the environment may say.

    Raises:
        UsageError: It says so.
    """
    for name, wrong in _IN_THE_ENVIRONMENT_ALONE.items():
        if name in values:
            raise UsageError(
                f"{name} is not taken from {where}, which {wrong}: "
                f"set {PREFIX}{name.upper()} in the environment if you mean it"
            )


class _ProjectSource(InitSettingsSource):
    """The table ``[tool.persistq]`` of the nearest ``pyproject.toml``, if there is one."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        self.path = _nearest_project()
        self.table = {} if self.path is None else _table_of(self.path)
        super().__init__(settings_cls, self.table)


def _nearest_project() -> Path | None:
    try:
        here = Path.cwd()
    except FileNotFoundError:
        # It has been deleted; whoever needs it says so.
        return None
    candidates = (folder / PROJECT_FILE for folder in (here, *here.parents))
    return next((path for path in candidates if path.is_file()), None)


def _table_of(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for key in ("tool", "persistq"):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {key} is {table!r}, it must be a table, as in {TABLE}")
    return table


# --- loading --------------------------------------------------------------------------------------


_typed: dict[str, Any] = {}


def command_line(**values: Any) -> None:
    """Let values that a user typed win over all other sources, for the rest of this process.

    That includes arguments in the program's code, such as ``pipeline.run(workers=4)``.

    Args:
        **values: Settings by name; None means not given. ``params`` win parameter by parameter.
    """
    _typed.update({name: value for name, value in values.items() if value is not None})


def load_settings(**overrides: Any) -> Settings:
    """Return the settings of this process, read anew at each call.

    Args:
        **overrides: Settings by name; only `command_line` wins over them. None means not given.

    Raises:
        UsageError: A value is wrong or a name unknown; one sentence for each.
    """
    _refuse_misspelt_variables()
    given = {name: value for name, value in overrides.items() if value is not None}
    wanted = given | _typed
    if "params" in given and "params" in _typed:
        wanted["params"] = given["params"] | _typed["params"]
    try:
        return Settings(**wanted)
    except ValidationError as error:
        raise UsageError("\n".join(_sentences(error, given))) from error
    except SettingsError as error:
        raise UsageError(_sentence_on_json(error)) from error


def _refuse_misspelt_variables() -> None:
    """Refuse variables of the environment that are nearly settings; others are somebody else's."""
    for variable in _unprefixed(EnvSettingsSource(Settings).env_vars):
        meant = nearest(variable, Settings.model_fields, VERY_NEAR)
        if meant and meant != variable:
            name = f"{PREFIX}{variable.upper()}"
            raise UsageError(
                f"{name}: there is no setting of this name; did you mean {PREFIX}{meant.upper()}?"
            )


def options_of(what: str, **given: Any) -> dict[str, Any]:
    """Return options that have the names and bounds of settings, validated.

    Args:
        what: What they are options of, for the message.
        **given: Options by name; None means not given, and is left out of the answer.

    Raises:
        UsageError: A value is wrong; one sentence for each.
    """
    given = {name: value for name, value in given.items() if value is not None}
    try:
        chosen = Settings(**given)
    except ValidationError as error:
        wrong = [detail for detail in error.errors() if detail["loc"][0] in given]
        if not wrong:
            raise UsageError("\n".join(_sentences(error, {}))) from error
        raise UsageError("\n".join(f"{what}: {_refusal(detail)}" for detail in wrong)) from error
    return {name: getattr(chosen, name) for name in given}


def _refusal(detail: Mapping[str, Any]) -> str:
    return f"{detail['loc'][0]}={detail['input']!r} is refused: {_reason(detail)}"


def _reason(detail: Mapping[str, Any]) -> str:
    text: str = detail["msg"].removeprefix("Value error, ")
    return text.replace("Input should", "it should")


class _Origin(NamedTuple):
    """One source as the user knows it, and what it says by setting name."""

    label: str
    values: Mapping[str, Any]


def _origins(given: Mapping[str, Any]) -> Iterator[_Origin]:
    """Yield the sources in order of priority; ``{}`` in a label stands for the setting's name."""
    environment = _unprefixed(EnvSettingsSource(Settings).env_vars)
    project = _ProjectSource(Settings)
    yield _Origin("option --{}", _typed)
    yield _Origin("argument {}", given)
    # Variables of the environment that are no settings belong to somebody else.
    yield _Origin(
        f"{PREFIX}{{}}",
        {key: environment[key] for key in environment if key in Settings.model_fields},
    )
    yield _Origin(
        f"{PREFIX}{{}} in {ENV_FILE}", _unprefixed(DotEnvSettingsSource(Settings).env_vars)
    )
    yield _Origin(f"{{}} in {TABLE} of {project.path}", project.table)


def _unprefixed(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    prefix = PREFIX.lower()
    return {
        name.removeprefix(prefix): value
        for name, value in variables.items()
        if name.startswith(prefix)
    }


def _whence(name: str, origins: list[_Origin]) -> tuple[str, Any]:
    """Return where the value in force comes from, in words, and the value."""
    for label, values in origins:
        if name in values:
            return label.format(name.upper() if label.startswith(PREFIX) else name), values[name]
    return name, None


def _sentences(error: ValidationError, given: Mapping[str, Any]) -> Iterator[str]:
    origins = list(_origins(given))
    for detail in error.errors():
        name = str(detail["loc"][0])
        where, value = _whence(name, origins)
        if detail["type"] == "extra_forbidden":
            near = suggestion(name, Settings.model_fields)
            yield f"{where}: there is no setting of this name{near}"
        else:
            yield f"{where}: {value!r} is refused: {_reason(detail)}"


def _sentence_on_json(error: SettingsError) -> str:
    # Only `params` is written as JSON, and only a variable can hold it.
    where, value = _whence("params", list(_origins({})))
    shown = MASK if is_secret(str(value)) else repr(value)
    return f"{where}: {shown} is refused: it should be a JSON object ({error.__cause__})"


def available_cpus() -> int:
    """Return how many CPUs this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
