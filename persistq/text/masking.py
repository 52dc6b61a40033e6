"""Values that are not shown, because they are named like secrets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"

# Not compiled here: most starts never need them, and together they take milliseconds.
_WITHIN: Final = "password|passwd|passphrase|secret|token|apikey|credential"
_WORDS: Final = frozenset({"key", "pass", "pwd", "pw", "auth", "bearer", "dsn"})
_WORDS_OF_FIELDS: Final = _WORDS - {"key"}
"""Rows of data have keys of all sorts, and few are secret."""
_SECRET_KEYS: Final = frozenset({"api", "access", "private", "signing", "encryption", "ssh"})
_BETWEEN_WORDS: Final = r"[^a-zA-Z]+|(?<=[a-z])(?=[A-Z])"
_ASSIGNMENT: Final = r"(?s)(?P<name>-{0,2}[A-Za-z_][\w.-]*)=(?P<value>.+)"
_IN_URL: Final = r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)"


def is_secret(name: str) -> bool:
    """Return whether a name is that of a secret, such as ``db_password``, ``token``, ``apiKey``."""
    words = {word.lower() for word in re.split(_BETWEEN_WORDS, name)}
    return bool(words & _WORDS) or re.search(_WITHIN, name.lower()) is not None


def masked(name: str, value: Any) -> Any:
    """Return a value as it may be shown, with what is named like a secret in it masked."""
    if is_secret(name):
        return MASK
    if isinstance(value, dict):
        return {key: masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(name, inner) for inner in value]
    return re.sub(_IN_URL, rf"\1:{MASK}", value) if isinstance(value, str) else value


def masked_item(value: Any) -> Any:
    """Return a decoded item as it may be shown: secrets in fields and URLs are masked.

    A field is judged more mildly than a parameter: ``key`` alone, or ``sort_key``, is no secret.
    """
    if isinstance(value, dict):
        return {
            name: MASK if _is_secret_field(str(name)) else masked_item(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [masked_item(inner) for inner in value]
    return re.sub(_IN_URL, rf"\1:{MASK}", value) if isinstance(value, str) else value


def masked_text(text: str) -> str:
    """Return a text, such as an error's, with the passwords of URLs in it masked."""
    return re.sub(_IN_URL, rf"\1:{MASK}", text)


def _is_secret_field(name: str) -> bool:
    words = {word.lower() for word in re.split(_BETWEEN_WORDS, name)}
    if words & _WORDS_OF_FIELDS or ("key" in words and words & _SECRET_KEYS):
        return True
    return re.search(_WITHIN, name.lower()) is not None


def masked_words(words: Iterable[str]) -> list[str]:
    """Return the words of a command line with the values of secrets masked.

    They are found in ``name=value``, in ``--name=value`` and in the word after ``--name``.
    """
    shown: list[str] = []
    follows = False
    for word in words:
        shown.append(MASK if follows and not word.startswith("-") else _masked_word(word))
        follows = word.startswith("--") and "=" not in word and is_secret(word)
    return shown


def _masked_word(word: str) -> str:
    if (found := re.fullmatch(_ASSIGNMENT, word)) is None:
        return re.sub(_IN_URL, rf"\1:{MASK}", word)
    name, value = found["name"], found["value"]
    if is_secret(name):
        return f"{name}={MASK}"
    if name.startswith("-"):
        return f"{name}={_masked_word(value)}"
    try:
        inner = json.loads(value)
    except ValueError:
        return f"{name}={masked(name, value)}"
    safe = masked(name, inner)
    return word if safe == inner else f"{name}={json.dumps(safe, ensure_ascii=False)}"
