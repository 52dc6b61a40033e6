"""Who is let in: whoever has read an address on the terminal, or knows a token given out."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from persistq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TOKEN_LENGTH_MIN: Final = 20
"""Characters of the shortest token that people may give out: shorter ones can be guessed."""

_TICKET_BYTES: Final = 32
_TRIES: Final = 10
_WITHIN_S: Final = 60.0


class Tickets:
    """One word at a time that lets one browser in; the next one is made when it was used.

    Args:
        announce: Is told each word, to show it to whoever may come in.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._word = secrets.token_urlsafe(_TICKET_BYTES)

    def show(self) -> None:
        """Tell the word that lets the next browser in."""
        self._announce(self._word)

    def redeem(self, word: str) -> bool:
        """Return whether a word lets somebody in; it does so once."""
        if not _equal(word, self._word):
            return False
        self._word = secrets.token_urlsafe(_TICKET_BYTES)
        self.show()
        return True


class Tokens:
    """Words that people were given, and that let them in again and again.

    Only digests are kept, so no dump of this process has them.

    Args:
        words: The tokens; none lets nobody in.

    Raises:
        UsageError: One of them is so short that it can be guessed.
    """

    def __init__(self, words: Iterable[str]) -> None:
        given = [*words]
        if any(len(word) < TOKEN_LENGTH_MIN for word in given):
            raise UsageError(
                f"a token has less than {TOKEN_LENGTH_MIN} characters, and could be guessed: make "
                'one with python -c "import secrets; print(secrets.token_urlsafe())"'
            )
        self._digests = [_digest(word) for word in given]

    def __len__(self) -> int:
        return len(self._digests)

    def knows(self, word: str) -> bool:
        """Return whether a word is one of them, in a time that does not tell how nearly."""
        digest = _digest(word)
        found = [hmac.compare_digest(digest, one) for one in self._digests]
        return any(found)


class Attempts:
    """Counts words that were wrong: after some of them, nobody is let in for a while.

    Who is in stays in. It is one count for all, because on one machine all come from one address.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=_TRIES)

    @property
    def wait(self) -> float:
        """For how many seconds nobody is let in."""
        if len(self._wrong) < _TRIES:
            return 0.0
        return max(0.0, self._wrong[0] + _WITHIN_S - self._clock())

    def note_wrong(self) -> None:
        """Count a wrong word."""
        self._wrong.append(self._clock())


def words_in(text: str) -> list[str]:
    """Return the tokens in a text: one on each line, without empty lines and comments (``#``)."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(_digest(one), _digest(other))


def _digest(word: str) -> bytes:
    return sha256(word.encode("utf-8", "surrogatepass")).digest()
