"""Rows through a directory: batch files, against turbo-queue's and against a pipe."""

from __future__ import annotations

from dataclasses import replace

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import folder_rows, plain_queue, turbo_queue

FEW = 4
"""With so many readers smaller files are measured too."""


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items, batch = scale.of(320_000, tiny=1_000), scale.of(10_000, tiny=250)
    small = batch // 10
    counts = (1, FEW) if scale.name == "tiny" else tuple(targets.FOLDER_ROWS)
    few = [_smaller(one, small) for one in (_ours(items, FEW, small), _turbo(items, FEW, small))]
    return Scenario(
        name="folder_rows",
        title=f"{items:,} rows put by one process and taken by 1, 4 and 16",
        unit="rows/s",
        better="higher",
        method="One process puts rows one by one while R readers, started before, take them one by "
        "one: from the first put until the last row is finished. What readers spend on finding out "
        f"that no more will come is not counted. A file has {batch:,} rows, or {small:,} where it "
        "is said so, and any number of files may wait. persistq: `FolderQueue.rows`, with its "
        "task_done for each row. turbo-queue: without the question after each row whether its "
        "producer may go on, which lists the directory; its last file is published by a private "
        "method, because nothing else does; it has no acknowledgement.",
        payload="a dict of five fields: integers, a float and short strings",
        contenders=[*(one for readers in counts for one in _all(items, readers, batch)), *few],
        claims=[
            *(claim for readers in counts for claim in _claims(readers)),
            Claim(
                label=f"persistq / turbo-queue, {FEW} readers, files of {small:,}",
                ours=few[0].name,
                rivals=(few[1].name,),
            ),
        ],
    )


def _all(items: int, readers: int, batch: int) -> list[Contender]:
    return [
        _ours(items, readers, batch),
        _ours(items, readers, batch, sync=False),
        _turbo(items, readers, batch),
        Contender(
            name=_name("multiprocessing.Queue", readers),
            play="rivals.plain_queue:carry",
            options={"items": items, "readers": readers},
            durable=plain_queue.DURABLE,
        ),
    ]


def _ours(items: int, readers: int, batch: int, *, sync: bool = True) -> Contender:
    return Contender(
        name=_name("persistq" if sync else "persistq without sync", readers),
        play="rivals.folder_rows:carry",
        options={"items": items, "readers": readers, "batch": batch, "sync": sync},
        durable=folder_rows.DURABLE if sync else folder_rows.DURABLE_WITHOUT_SYNC,
        ours=True,
    )


def _turbo(items: int, readers: int, batch: int) -> Contender:
    return Contender(
        name=_name("turbo-queue", readers),
        play="rivals.turbo_queue:carry",
        options={"items": items, "readers": readers, "batch": batch},
        durable=turbo_queue.DURABLE,
        package=turbo_queue.PACKAGE,
    )


def _claims(readers: int) -> list[Claim]:
    ours, turbo = _name("persistq", readers), _name("turbo-queue", readers)
    unsynced = _name("persistq without sync", readers)
    pipe = _name("multiprocessing.Queue", readers)
    target = targets.FOLDER_ROWS[readers]
    return [
        Claim(label=f"{ours} / turbo-queue", ours=ours, rivals=(turbo,), target=target),
        Claim(label=f"{unsynced} / turbo-queue", ours=unsynced, rivals=(turbo,)),
        Claim(label=f"{ours} / multiprocessing.Queue", ours=ours, rivals=(pipe,)),
    ]


def _smaller(contender: Contender, batch: int) -> Contender:
    return replace(contender, name=f"{contender.name}, files of {batch:,}")


def _name(what: str, readers: int) -> str:
    return f"{what}, {readers} reader{'s' if readers > 1 else ''}"
