"""Against Redis Streams, a server in C that keeps items in memory and appends what it does."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import ours, redis_streams

WORKERS = 2
BATCH = {"put": 1_000, "take": 100}
ONE = {"put": 1, "take": 1}


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(200_000, tiny=2_000)
    few = {"everysec": scale.of(20_000, tiny=200), "always": scale.of(4_000, tiny=100)}
    return Scenario(
        name="redis",
        title=f"Integers through persistq and Redis Streams, {WORKERS} workers",
        unit="items/s",
        better="higher",
        method=f"As `bulk`, with {items:,} items; {few['everysec']:,} and {few['always']:,} one at "
        "a time. Redis is a server of its own on a socket of this machine, with an append-only "
        "file that is synced every second or always. In batches a producer sends XADD in pipelines "
        "of 1,000, and consumers of one group XREADGROUP and XACK 100 at a time. Done items stay "
        "in the stream, as in a journal.",
        payload="an int",
        contenders=[
            Contender(
                name="persistq",
                play="rivals.ours:drain",
                options={"items": items, "workers": WORKERS},
                durable=ours.DURABLE,
                ours=True,
            ),
            *(_redis(_name(sync, "batches"), sync, items, BATCH) for sync in targets.REDIS),
            *(_redis(_name(sync, "one at a time"), sync, few[sync], ONE) for sync in targets.REDIS),
        ],
        claims=[
            *(_claim(_name(sync, "batches"), target) for sync, target in targets.REDIS.items()),
            *(_claim(_name(sync, "one at a time"), None) for sync in targets.REDIS),
        ],
    )


def _name(sync: str, manner: str) -> str:
    return f"Redis Streams, {sync}, {manner}"


def _redis(name: str, sync: str, items: int, steps: dict[str, int]) -> Contender:
    return Contender(
        name=name,
        play="rivals.redis_streams:drain",
        options={"items": items, "workers": WORKERS, "sync": sync} | steps,
        durable=redis_streams.DURABLE[sync],
        package=redis_streams.PACKAGE,
        program=redis_streams.PROGRAM,
    )


def _claim(name: str, target: targets.Target | None) -> Claim:
    return Claim(label=f"persistq / {name}", ours="persistq", rivals=(name,), target=target)
