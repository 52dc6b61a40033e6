"""An option of a stage is declared once; settings, decorators and brokers agree on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from persistq.fields import fields_of
from persistq.pipeline.grouping import GROUP_OPTIONS
from persistq.pipeline.stageoptions import stage_of
from persistq.pipeline.validation import validated
from persistq.policy import BATCH_OPTIONS, OPTIONS, STAGE_OPTIONS, Policy, StageOptions
from persistq.settings import Settings, load_settings
from persistq.wire.messages import StageSpec

OF_STAGES_ALONE = {
    "name",
    "was",
    "workers",
    "stream",
    "sink",
    "folder",
    "names",
    "pause",
    "rate",
    "burst",
    "after",
    "puts",
    "keep_results",
    "key",
    "concurrency",
    "threads",
    "priority",
    "order",
    *BATCH_OPTIONS,
    *GROUP_OPTIONS,
}


def test_every_option_of_a_policy_is_a_setting_with_its_default() -> None:
    """Who says nothing gets the same from both."""
    assert set(OPTIONS) <= set(fields_of(Settings))
    defaults = {name: fields_of(Settings)[name].default for name in OPTIONS}
    assert defaults == msgspec.structs.asdict(Policy())


def test_settings_and_policies_hold_values_of_the_same_type() -> None:
    """Units included, which the documentation shows."""
    settings, policy = get_type_hints(Settings), get_type_hints(Policy)
    assert {name: settings[name] for name in OPTIONS} == {name: policy[name] for name in OPTIONS}


def test_a_stage_may_say_every_option_of_a_policy_or_leave_it_to_the_settings() -> None:
    """None, or no word, is the settings'."""
    assert set(STAGE_OPTIONS) == set(OPTIONS) | OF_STAGES_ALONE
    hints, policy = get_type_hints(StageOptions), get_type_hints(Policy)
    for name in OPTIONS:
        assert hints[name] == policy[name] | None, name


def test_what_a_stage_does_not_say_is_taken_from_the_settings() -> None:
    """What it says wins."""
    stage = validated(stage_of(lambda item: item, {"name": "load", "retries": 3, "backoff": None}))
    settings = load_settings(retries=7, backoff=0.5, halt="soon,fail=3")
    wanted = StageSpec("load", retries=3, backoff=0.5, halt="soon,fail=3")
    assert stage.spec(settings) == wanted


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_broker_refuses_an_option_out_of_its_bounds(name: str) -> None:
    """Nobody but a program that has checked it says it; the declaration holds there as well."""
    wrong = {"on_error": "panic", "halt": 3}.get(name, -1)
    told = msgspec.json.encode({"name": "load", name: wrong})
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.json.decode(told, type=StageSpec)


PROGRAM = """\
from persistq import Pipeline

pipeline = Pipeline("sales")


@pipeline.stage(name="read", retries=2, backoff=None, on_error="stop")
def read(path: str) -> str:
    return path


@pipeline.stage(retrys=2)
def load(row: str) -> None: ...


@pipeline.stage(on_error="panic")
def store(row: str) -> None: ...


reveal_type(read)
"""


def test_a_type_checker_catches_wrong_options_and_keeps_the_type_of_handlers(
    tmp_path: Path,
) -> None:
    """A wrong name and a wrong word are found before the program runs."""
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    said, _, _ = api.run(["--strict", str(program)])
    wrong = set(re.findall(r"program\.py:(\d+): error: ", said))
    assert wrong == {"11", "15"}, said
    assert 'Revealed type is "def (path: str) -> str"' in said
