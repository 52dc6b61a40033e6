"""A folder whose items are values, each pickled into a file, for the contract of queues."""

from __future__ import annotations

import pickle
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from persistq.errors import ItemNotStorable, UsageError
from persistq.folder import FolderQueue
from persistq.folder.reader import Reader
from persistq.items import Sentinel


class Values(FolderQueue[Any]):
    """Puts values in files that are named for when they were put, and gets them back."""

    def put(self, obj: Any, block: bool = True, timeout: float | None = None, **_: Any) -> None:
        """Put a value."""
        with tempfile.TemporaryDirectory(dir=self.path / ".tmp", prefix=".") as directory:
            file = Path(directory, f"{time.time_ns():020}")
            file.write_bytes(_pickled(obj))
            super().put(file, block, timeout)

    def put_many(self, items: Any) -> None:
        """Put values, or none of those that come together with one that is none."""
        source = iter(items)
        while some := list(islice(source, 100)):
            pickles = [_pickled(one) for one in some]
            self.put(some[0])
            for one in pickles[1:]:
                # As plain programs do, which is faster: nothing is synced.
                draft = self.path / ".tmp" / f"{time.time_ns():020}"
                draft.write_bytes(one)
                draft.rename(self.path / draft.name)

    def _open_channel(self) -> Any:
        with self._opening:
            if self._reader is None:
                self._leave_at_exit()
                began = self._start.began
                self._reader = _ValueReader(
                    self._place, self._options, self._claims, began, self._watch
                )
        return self._reader

    def outstanding(self) -> Any:
        """Yield values."""
        return (pickle.loads(path.read_bytes()) for path in super().outstanding())


class _ValueReader(Reader):
    def get(self, timeout: float | None = None) -> Any:
        """Return the next value."""
        answer = super().get(timeout)
        if not isinstance(answer, tuple):
            return answer
        number, codec, path, further = answer
        return number, codec, pickle.loads(path.read_bytes()), further


def _pickled(obj: Any) -> bytes:
    if isinstance(obj, Sentinel):
        raise UsageError("an end cannot be put")
    try:
        return pickle.dumps(obj)
    except Exception as error:
        raise ItemNotStorable(type(obj).__name__, str(error)) from error
