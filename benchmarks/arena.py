"""The process in which one contender plays one round; started by `trial`.

Its argument says where and what; it leaves ``outcome.json`` in its directory.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Play."""
    place, play, options = json.loads(sys.argv[1])
    os.chdir(place)
    os.environ["PERSISTQ_JOURNAL"] = str(Path(place) / "journal")
    os.environ["XDG_STATE_HOME"] = str(Path(place) / "state")
    module, _, function = play.partition(":")
    outcome = getattr(import_module(module), function)(**options)
    Path("outcome.json").write_text(json.dumps(_plain(outcome)), encoding="utf-8")


def _plain(outcome: Any) -> dict[str, Any] | None:
    if outcome is None:
        return None
    counts = {}
    if (delivery := outcome.delivery) is not None:
        counts = delivery._asdict() | {"duplicates": delivery.duplicates, "lost": delivery.lost}
    return {"value": outcome.value, "delivery": counts, "details": outcome.details}


if __name__ == "__main__":
    main()
