"""An owner for what is done at one stroke, by a command or from a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from persistq.folder.claims import Claims
from persistq.folder.listing import directories_in
from persistq.folder.owner import FROM, Owner
from persistq.folder.place import Place
from persistq.folder.reader import reported


@contextmanager
def temporary_owner(place: Place) -> Iterator[Owner]:
    """Be an owner of a folder while the block lasts.

    Crash: it is a dead owner, and what it has is given back by whoever looks next. So it is too if
    the block fails and leaves something: then this stays an owner until its process ends.

    Raises:
        FolderError: The folder cannot be read or written.
    """
    with reported(place):
        place.prepare()
        claims = Claims(place)
        owner = claims.owner
        try:
            yield owner
        finally:
            if not _has_something(owner):
                claims.leave()


def _has_something(owner: Owner) -> bool:
    """Return whether it still has what it took from the dead, or from what was put aside."""
    begins = f"{owner.name}{FROM}"
    directories = directories_in(owner.place.taken) + directories_in(owner.place.tmp)
    return any(name.startswith(begins) for name in directories)
