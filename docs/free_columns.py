"""The tables of ``docs/journal.md`` that say what may hold anything, from their declarations.

``python docs/free_columns.py`` prints them; a test compares the page.
"""

from __future__ import annotations

from persistq.journal.soundness.columns import FREE, MAY_HAVE_MORE, MAY_LACK


def page() -> str:
    """Return the three tables as they stand in the page."""
    columns = "".join(
        f"| `{name}` | {column.shape.says} | {column.free} |\n" for name, column in FREE.items()
    )
    lack = "".join(f"- `{table}`: {which}\n" for table, which in MAY_LACK.items())
    more = "".join(f"- `{table}`: {where}\n" for table, where in MAY_HAVE_MORE.items())
    return (
        "| column | holds | why another such value contradicts nothing |\n"
        "|---|---|---|\n"
        f"{columns}\n"
        f"A row may be missing from these tables:\n\n{lack}\n"
        f"A row more may be in these:\n\n{more}"
    )


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
