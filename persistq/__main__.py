"""``python -m persistq``: the command where its script is not installed."""

from __future__ import annotations

from persistq.cli import main

if __name__ == "__main__":
    main()
