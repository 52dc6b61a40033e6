"""Control files: what producers, and people with a shell, say to all readers of a folder."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from persistq import failpoints
from persistq.folder.cards import facts_of, peer_in
from persistq.folder.names import DONE, FAILED, HELO, control_of
from persistq.folder.owner import Owner
from persistq.folder.place import read_small
from persistq.folder.renames import is_at, rename_over, sync_directory
from persistq.peer import Peer
from persistq.text.terminal import excerpt

_REASON: Final = "the file does not say why"

Mark = tuple[int, int]
"""Names one control file, which another one of its name does not equal: inode and time."""


class Control(NamedTuple):
    """One control file.

    Attributes:
        producer: The producer, as its name says.
        kind: `HELO`, `DONE` or `FAILED`.
        mark: Which file it is.
        text: What is in it.
        facts: The same, if it is a JSON object; otherwise nothing.
    """

    producer: str
    kind: str
    mark: Mark
    text: str
    facts: dict[str, Any]

    @property
    def token(self) -> str:
        """The start of a producer that it belongs to; empty if it was made by hand."""
        return str(self.facts.get("token", ""))

    @property
    def peer(self) -> Peer | None:
        """The process that made it, None if that is not known."""
        return peer_in(json.dumps(self.facts).encode())

    @property
    def owner(self) -> str:
        """The owner that this process was; empty if that is not known."""
        named = self.facts.get("owner", "")
        return named if isinstance(named, str) and named and "/" not in named else ""

    @property
    def reason(self) -> str:
        """Why the producer has failed."""
        said = self.facts.get("reason") if self.facts else self.text
        return excerpt(str(said or "").strip()) or _REASON


@dataclass(frozen=True, slots=True)
class Controls:
    """The control files that count, of a round that is not over.

    What a program has written in an earlier start of its producer does not count any more: the
    ``helo`` of the present start, which one rename brings in, has another token.

    Attributes:
        helos: Who has begun.
        dones: Who is done.
        faults: Who has failed.
        marks: All control files that are there, also those that do not count.
        void: Those that were there when a round ended.
    """

    helos: dict[str, Control] = field(default_factory=dict)
    dones: dict[str, Control] = field(default_factory=dict)
    faults: dict[str, Control] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    void: frozenset[Mark] = frozenset()

    @property
    def unfinished(self) -> list[str]:
        """The producers that have begun and not said that they are done."""
        return sorted(self.helos.keys() - self.dones.keys())

    def are_done(self, expected: frozenset[str] | int) -> bool:
        """Return whether everybody is done: who has begun, and who is expected.

        Args:
            expected: Names of producers, or how many there are.
        """
        if self.unfinished or not self.dones:
            return False
        if isinstance(expected, int):
            return len(self.dones) >= expected
        return expected <= self.dones.keys()


def read_controls(directory: Path, names: Iterable[str], void: frozenset[Mark]) -> Controls:
    """Return the control files that count.

    Args:
        directory: The folder.
        names: Names of files there, among them those of all control files.
        void: Those that were there when a round ended.
    """
    controls = Controls(void=void)
    rooms = {HELO: controls.helos, DONE: controls.dones, FAILED: controls.faults}
    for name in sorted(names, key=lambda name: not name.endswith(HELO)):
        control = _read(directory, name)
        if control is None:
            continue
        controls.marks.append(control.mark)
        if control.mark not in void and _counts(control, controls):
            rooms[control.kind][control.producer] = control
    return controls


def _counts(control: Control, controls: Controls) -> bool:
    helo = controls.helos.get(control.producer)
    return helo is None or control.token in ("", helo.token)


def say(owner: Owner, producer: str, kind: str, facts: dict[str, Any]) -> None:
    """Write a control file; one of this name is replaced.

    Crash: it is there whole, or not.
    """
    draft = owner.tmp / f"{producer}{kind}"
    draft.write_text(json.dumps(facts_of(owner.peer) | facts) + "\n", encoding="utf-8")
    _sync(draft)
    failpoints.point("folder.before_control")
    rename_over(draft, owner.place.path / draft.name)
    sync_directory(owner.place.path)
    failpoints.point("folder.after_control")


def names_of(producer: str) -> list[str]:
    """Return the names of the control files that a producer may have."""
    return [producer + kind for kind in (HELO, DONE, FAILED)]


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _read(directory: Path, name: str) -> Control | None:
    producer, kind = control_of(name)
    path = directory / name
    try:
        found = path.lstat()
    except OSError:
        return None
    data = _said_in(path, found) if producer else None
    if data is None:
        return None
    text = data.decode("utf-8", "replace")
    return Control(producer, kind, (found.st_ino, found.st_mtime_ns), text, _object_in(data))


def _said_in(path: Path, found: os.stat_result) -> bytes | None:
    """Return what a file says: nothing if it may not be read, None if it is gone, or no file."""
    data = read_small(path)
    if data is None and stat.S_ISREG(found.st_mode) and is_at(path, found):
        return b""
    return data


def _object_in(data: bytes) -> dict[str, Any]:
    """Return the JSON object that a file has; nothing where it has none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
