"""A source: a function that yields items for a stage, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persistq.naturalkeys import NaturalKey
    from persistq.pipeline.foldersource import FolderSource
    from persistq.pipeline.polling import Polling


@dataclass(frozen=True, slots=True)
class Source:
    """The user's function that yields the items.

    Attributes:
        name: Its name.
        function: It.
        limits: What it says of how much may be outstanding of what it has yielded, by setting.
        to: The stage that it feeds; empty means the first one.
        polling: How it is asked, if it is asked again and again.
        key: What says which of its items are the same; None if their whole values do.
        once: Whether it leaves out what earlier loads have done.
        here: Whether the program itself puts its items, and not a process of its own.
        folder: The folder that it is, if it is one.
    """

    name: str
    function: Callable[..., Iterable[Any]]
    limits: Mapping[str, int] = field(default_factory=dict)
    to: str = ""
    polling: Polling | None = None
    key: NaturalKey | None = None
    once: bool = False
    here: bool = False
    folder: FolderSource | None = None
