"""What is named like a secret is not shown."""

from __future__ import annotations

from typing import Any

import pytest

from persistq.text.masking import is_secret, masked, masked_words


@pytest.mark.parametrize(
    "name",
    ["password", "DB_PASSWORD", "apiKey", "api_key", "--token", "client-secret", "pwd", "key"],
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    """In any spelling."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["day", "keyword", "monkey", "passenger", "author", "count"])
def test_ordinary_names_are_no_secrets(name: str) -> None:
    """A word that only contains one of the words is something else."""
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"host": "a", "password": "x"}, {"host": "a", "password": "***"}),
        ([{"token": 1}], [{"token": "***"}]),
        ("postgres://me:hush@host/db", "postgres://me:***@host/db"),
        (7, 7),
    ],
)
def test_secrets_within_a_value_are_masked(value: Any, shown: Any) -> None:
    """Also in objects, lists and addresses."""
    assert masked("target", value) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["run", "--param", "password=x"], ["run", "--param", "password=***"]),
        (["run", "--param=token=x"], ["run", "--param=token=***"]),
        (
            ["x.py", "--api-key", "abc", "--day", "mon"],
            ["x.py", "--api-key", "***", "--day", "mon"],
        ),
        (["x.py", "--password=a b"], ["x.py", "--password=***"]),
        (['db={"password": "x"}'], ['db={"password": "***"}']),
        (["day=mon", "n={1}"], ["day=mon", "n={1}"]),
    ],
)
def test_secrets_in_a_command_are_masked(words: list[str], shown: list[str]) -> None:
    """In all ways of writing an option."""
    assert masked_words(words) == shown
