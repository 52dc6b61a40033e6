"""Which load a source is called for, for ready-made sources that have to know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import NamedTuple

from persistq.client.handle import Handle
from persistq.wire.messages import Welcome


class CurrentLoad(NamedTuple):
    """The load of a source.

    Attributes:
        name: Its name and its number in its journal.
        run: Names the run, in which the source may be called several times.
        carried_on: Whether an earlier run has begun the load.
    """

    name: str
    run: str
    carried_on: bool


current_load: ContextVar[CurrentLoad | None] = ContextVar("persistq_load", default=None)


@contextmanager
def called_for(handle: Handle, welcome: Welcome) -> Iterator[None]:
    """Let what is called within know which load it is called for."""
    # The token is a secret of the run, so only its digest is written anywhere.
    run = blake2b(handle.token.encode(), digest_size=16).hexdigest()
    name = f"{handle.name}-{welcome.load_id}"
    token = current_load.set(CurrentLoad(name, run, welcome.carried_on))
    try:
        yield
    finally:
        current_load.reset(token)
