"""Opening the load of a pipeline: a new one, or the one that is unfinished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from persistq.client.openings import named_by_resume, opening
from persistq.client.starting import OpenedRun, open_run
from persistq.errors import BrokerLost, LoadUnfinished, UsageError
from persistq.pipeline.atonce import require_room
from persistq.pipeline.definition import Definition
from persistq.pipeline.importable import require_no_session
from persistq.pipeline.parameters import CURSOR, Parameters, parameters_of, wants
from persistq.pipeline.source import Source
from persistq.settings import Settings
from persistq.site.naming import fields_of, filled, receipts_path
from persistq.wire.messages import SourceSpec


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """A load that is open, and what this start works on it with.

    Attributes:
        definition: The pipeline.
        settings: The settings of this start, with the load's parameters.
        opened: This process's hold on it.
        arguments: What the sources are called with, by name.
    """

    definition: Definition
    settings: Settings
    opened: OpenedRun
    arguments: Mapping[str, Any]


def open_load(definition: Definition, settings: Settings) -> OpenLoad:
    """Open the load of a pipeline.

    Crash: see `persistq.client.starting.open_run`.

    Args:
        definition: The pipeline.
        settings: The settings of this start.

    Raises:
        UsageError: The unfinished load has other stages or other parameters, processes would not
            find a function, or no waiting would mend a sink's URL.
        JournalError: The journal cannot be used, or this pipeline is running already.
        LoadUnfinished: The broker has died.
    """
    if settings.workers != 0:
        require_no_session(definition.called, settings.start_method)
    _check_sinks(definition)
    require_room({stage.name: (stage, stage.processes(settings)) for stage in definition.stages})
    parameters = parameters_of(definition.sources, settings.params, definition.parameter_codec)
    opened = _opened(definition, settings, parameters)
    try:
        arguments = parameters.of_load(opened.welcome.params)
    except UsageError:
        opened.anchor.close()
        raise
    definition = _placed(definition, opened)
    return OpenLoad(definition, _with_parameters(settings, opened, arguments), opened, arguments)


def _check_sinks(definition: Definition) -> None:
    if sinks := [stage.sink for stage in definition.stages if stage.sink is not None]:
        # Who has no sink waits for no database's module.
        from persistq.sinks.checking import check

        for sink in sinks:
            check(sink)


def _placed(definition: Definition, opened: OpenedRun) -> Definition:
    """Return a pipeline whose sinks know where the journal is: some keep receipts beside it."""
    if all(stage.sink is None for stage in definition.stages):
        return definition
    from persistq.sinks import FileSink

    receipts, load = str(receipts_path(opened.handle.journal)), opened.handle.name
    stages = [
        replace(stage, sink=stage.sink.beside(receipts, load))
        if isinstance(stage.sink, FileSink)
        else stage
        for stage in definition.stages
    ]
    return replace(definition, stages=stages)


def _opened(definition: Definition, settings: Settings, parameters: Parameters) -> OpenedRun:
    wanted = opening(
        named_by_resume(definition.name, settings) or filled(definition.name, parameters.values),
        "pipeline",
        definition.specs(settings),
        settings,
        template=definition.name if fields_of(definition.name) else "",
        source=parameters.source,
        parameters=parameters.encoded(),
        takes_any=parameters.takes_any,
        sources=[_spec(source) for source in definition.sources],
    )
    try:
        return open_run(wanted, ack_interval=settings.ack_interval, timeout=settings.broker_timeout)
    except BrokerLost as lost:
        # To the program it makes no difference when its broker died.
        raise LoadUnfinished(wanted.name, str(lost)) from lost


def _spec(source: Source) -> SourceSpec:
    polling = source.polling
    return SourceSpec(
        source.name,
        source.to,
        cursor=wants(source.function, CURSOR),
        poll=polling is not None,
        requeue_after=0.0 if polling is None else polling.requeue_after,
    )


def _with_parameters(settings: Settings, opened: OpenedRun, values: Mapping[str, Any]) -> Settings:
    """Return the settings with those parameters that the load was given."""
    given = {param.name for param in opened.welcome.params if param.given}
    params = settings.params | {name: values[name] for name in given}
    return msgspec.structs.replace(settings, params=params)
