"""Files claimed and finished: what a folder costs beside the two renames that it is made of."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import folder_files

COUNTS = (1, 4)


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    files = scale.of(10_000, tiny=200)
    return Scenario(
        name="folder_claims",
        title=f"{files:,} files claimed and finished by 1 and by 4 processes",
        unit="files/s",
        better="higher",
        method="The files lie there before. persistq: `for path in folder: folder.task_done()`, "
        "from the first claim until the last file is finished. Two renames: a loop that lists the "
        "directory once and renames each file into a directory of its own and from there to where "
        "finished ones go; it is no queue, but what one could not fall short of.",
        payload="a file of one byte",
        contenders=[one for readers in COUNTS for one in _contenders(files, readers)],
        claims=[claim for readers in COUNTS for claim in _claims(readers)],
    )


def _contenders(files: int, readers: int) -> list[Contender]:
    options = {"files": files, "readers": readers}
    return [
        Contender(
            name=_name("persistq", readers),
            play="rivals.folder_files:settle",
            options=options,
            durable=folder_files.DURABLE,
            ours=True,
        ),
        Contender(
            name=_name("two renames", readers),
            play="rivals.folder_files:rename",
            options=options,
            durable=folder_files.DURABLE_BARE,
        ),
    ]


def _claims(readers: int) -> list[Claim]:
    ours, bare = _name("persistq", readers), _name("two renames", readers)
    return [
        Claim(label=f"files a second, {ours}", ours=ours, target=targets.FOLDER_CLAIMS),
        Claim(label=f"{ours} / two renames", ours=ours, rivals=(bare,)),
    ]


def _name(what: str, readers: int) -> str:
    return f"{what}, {readers} reader{'s' if readers > 1 else ''}"
