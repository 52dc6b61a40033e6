"""`Pipeline`: decorators that collect a source and its stages, and `run`, which a user calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from multiprocessing import get_context
from typing import Any, TypeVar, Unpack, overload

from persistq import ending
from persistq.codec import CodecName, ItemCodec
from persistq.errors import UsageError
from persistq.halting import halt_rule
from persistq.origin import current_directory
from persistq.pickles import own_modules
from persistq.pipeline.callables import checked, module_of_caller, name_of
from persistq.pipeline.context import Context
from persistq.pipeline.definition import Definition, definition_of
from persistq.pipeline.run import run
from persistq.pipeline.source import Source
from persistq.pipeline.stage import Stage
from persistq.pipeline.summary import Summary
from persistq.policy import STAGE_OPTIONS, StageOptions
from persistq.pool.child import end_if_imported
from persistq.settings import Settings, load_settings
from persistq.text.streams import broken_pipes_told
from persistq.text.suggestions import options_by_name

F = TypeVar("F", bound=Callable[..., Any])


class Pipeline:
    """A chain of stages that a load runs through, each stage with its own workers.

    Handlers stay ordinary functions: the decorators return them unchanged, so tests can call them.

    Example:
        >>> pipeline = Pipeline("sales", workers=4)
        >>> @pipeline.source
        ... def paths():
        ...     yield from ["a.csv", "b.csv"]
        >>> @pipeline.stage(retries=2)
        ... def load(path):
        ...     print("loading", path)
        >>> pipeline                                    # run with: pipeline.run()
        Pipeline('sales', source='paths', stages=['load'])

    Args:
        name: Name of the load and of its journal file. ``sales-{day}`` keeps a journal for each
            value of the source's parameter ``day``.
        workers: Processes of each stage that does not say otherwise; None takes the setting, whose
            default is the number of CPUs. 0 runs everything inline in the calling process.
        codec: How items are stored; see `persistq.codec`.
        allow_pickle: Whether items may be stored as pickles.
    """

    @options_by_name("Pipeline")
    def __init__(
        self,
        name: str,
        *,
        workers: int | None = None,
        codec: CodecName = "auto",
        allow_pickle: bool = True,
    ) -> None:
        ending.install()
        self.name = name
        self.workers = workers
        self.stages: list[Stage] = []
        # A wrong one is refused where it is given.
        ItemCodec(codec, allow_pickle=allow_pickle)
        self._codec: tuple[CodecName, bool] = codec, allow_pickle
        self._source: Source | None = None
        self._context: Context | None = None
        self._module = module_of_caller()

    def __repr__(self) -> str:
        source = self._source.name if self._source else None
        names = [stage.name for stage in self.stages]
        return f"Pipeline({self.name!r}, source={source!r}, stages={names!r})"

    # --- building ---

    @overload
    def source(self, function: F) -> F: ...

    @overload
    def source(self) -> Callable[[F], F]: ...

    @options_by_name("a source")
    def source(self, function: Any = None) -> Any:
        """Decorate the function that yields the items of the first stage.

        It runs in a process of its own. Its parameters are filled by name from ``params``.

        Raises:
            UsageError: The pipeline has a source already, or a call of the function would not
                yield items.
        """
        if function is None:
            return self.source
        if self._source is not None:
            raise UsageError(f"pipeline {self.name!r} has the source {self._source.name!r} already")
        checked(function, "the source")
        self._source = Source(name_of(function), function)
        return function

    @overload
    def stage(self, function: F) -> F: ...

    @overload
    def stage(self, **options: Unpack[StageOptions]) -> Callable[[F], F]: ...

    @options_by_name("a stage", STAGE_OPTIONS)
    def stage(
        self, function: Callable[..., Any] | None = None, **options: Unpack[StageOptions]
    ) -> Any:
        """Decorate the handler of the next stage, with or without options.

        The first parameter is the item; ``ctx`` (what the `context` function returned), ``item``
        (an `ItemInfo`) and ``settings`` are filled by name if the handler has them. It returns the
        item for the next stage, or None for none, or is a generator that yields any number; what
        the last stage returns is not kept. With ``batch`` it gets a list of items, and ``items``
        for ``item``; it returns None, or a list with one such result for each. What only promises a
        result, like a coroutine or a future, fails the item.

        Args:
            function: The handler, when used without parentheses.
            **options: ``name``, ``was``, ``workers``, ``retries``, ``backoff``, ``backoff_max``,
                ``max_crashes``, ``on_error``, ``timeout``, ``halt``, ``stream``, ``batch``,
                ``linger``, ``batch_bytes``, ``sink``: see `persistq.policy.StageOptions`.

        Raises:
            UsageError: The handler takes no item or unknown parameters, or a call of it would not
                do its work; the name is taken, or there is no such option.
        """
        if (halt := options.get("halt")) is not None:
            halt_rule(halt)

        def add(handler: F) -> F:
            self._append(Stage.of(handler, options))
            return handler

        return add if function is None else add(function)

    @overload
    def context(self, function: F) -> F: ...

    @overload
    def context(self) -> Callable[[F], F]: ...

    @options_by_name("a context")
    def context(self, function: Any = None) -> Any:
        """Decorate a function that is called once in each worker process.

        What it returns, a connection pool for example, is the argument ``ctx`` of handlers. It may
        take ``settings``.

        Raises:
            UsageError: The pipeline has a context already, the function takes other parameters, or
                a call of it would not return a context, because it is a generator or a coroutine.
        """
        if function is None:
            return self.context
        if self._context is not None:
            raise UsageError(
                f"pipeline {self.name!r} has the context {self._context.name!r} already"
            )
        self._context = Context.of(function)
        return function

    def _append(self, stage: Stage) -> None:
        if any(other.name == stage.name for other in self.stages):
            raise UsageError(f"pipeline {self.name!r} has a stage {stage.name!r} already")
        if stage.was and any(other.was == stage.was for other in self.stages):
            raise UsageError(f"pipeline {self.name!r} has a stage that was {stage.was!r} already")
        self.stages.append(stage)

    # --- running ---

    @broken_pipes_told()
    def run(
        self,
        *,
        workers: int | None = None,
        fresh: bool | None = None,
        params: Mapping[str, Any] | None = None,
        check: bool = True,
        **overrides: Any,
    ) -> Summary:
        """Start a load, or carry on the one that is unfinished, and work until it is settled.

        Crash: whatever dies, the journal holds what is outstanding; the next call carries on. The
        README's table of guarantees says what may be done again.

        Args:
            workers: Processes of each stage, over what the pipeline says.
            fresh: Whether to begin anew although a load is unfinished; that one is marked
                abandoned.
            params: Arguments of the source, by name. They belong to the load: a start that carries
                it on takes what it does not name from there, and may not name other values.
            check: Whether to raise unless everything is done.
            overrides: Further settings by name; see the README.

        Returns:
            What was done and what is left.

        Raises:
            UsageError: The pipeline or a setting is wrong, or the unfinished load has other stages
                or other parameters. The journal is as it was.
            JournalError: The journal cannot be used, or this pipeline is running already.
            LoadUnfinished: It failed or was interrupted, and ``check`` is set.
            ItemsFailed: It is settled with failed items, and ``check`` is set.

        What is not caught ends a script without a traceback, with the exit code that the README's
        table names: 2 for wrong usage, 3 for an unfinished load (4 if the journal could not be
        written any more, 130/143 after a signal), 4 for a journal, 6 for failed items.
        """
        end_if_imported()
        ending.install()
        settings = load_settings(
            workers=self.workers if workers is None else workers,
            fresh=fresh,
            params=None if params is None else dict(params),
            **overrides,
        )
        if (
            settings.workers != 0
            and get_context(settings.start_method).get_start_method() != "fork"
        ):
            # Nothing but a fork starts in a directory that has been deleted.
            current_directory()
        return run(self._definition(settings), settings, check=check)

    def _definition(self, settings: Settings) -> Definition:
        return definition_of(
            self.name, self._source, self.stages, self._context, self._item_codec(settings)
        )

    def _item_codec(self, settings: Settings) -> ItemCodec:
        name, allow_pickle = self._codec
        return ItemCodec(
            name,
            allow_pickle=allow_pickle,
            item_bytes_max=settings.item_bytes_max,
            own=own_modules(self._module),
        )
