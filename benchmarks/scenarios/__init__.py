"""The questions: one module each, with a function ``scenario`` that states it at a scale."""

from __future__ import annotations

from importlib import import_module

from contest import Scale, Scenario

SCENARIOS = (
    "bulk",
    "pipeline",
    "workers",
    "pools",
    "map",
    "map_millisecond",
    "durable",
    "redis",
    "floor",
    "single_put",
    "millisecond",
    "sleeps",
    "latency",
    "payloads",
    "startup",
    "size",
    "outstanding",
    "count",
    "resume",
    "sinks",
    "folder_rows",
    "folder_claims",
)
"""Their names, in the order of the report."""


def load(name: str, scale: Scale) -> Scenario:
    """Return a scenario at a scale."""
    found: Scenario = import_module(f"scenarios.{name}").scenario(scale)
    return found
