"""`Pipeline`: decorators that collect a source and its stages, and `run`, which a user calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

import msgspec

from persistq import ending
from persistq.codec import CodecName, ItemCodec
from persistq.errors import UsageError
from persistq.halting import halt_rule
from persistq.origin import absolute, current_directory
from persistq.pickles import own_modules
from persistq.pipeline import waking
from persistq.pipeline.callables import module_of_caller
from persistq.pipeline.context import Context
from persistq.pipeline.definition import Definition, definition_of, graph_of, require_known
from persistq.pipeline.hooks import When, hook_of
from persistq.pipeline.parameters import parameters_of
from persistq.pipeline.routes import put
from persistq.pipeline.run import run
from persistq.pipeline.source import Source
from persistq.pipeline.sourceoptions import SOURCE_OPTIONS, SourceOptions, given, source_of
from persistq.pipeline.stage import Stage
from persistq.pipeline.stageoptions import stage_of
from persistq.pipeline.summary import Summary
from persistq.policy import HOOK_OPTIONS, STAGE_OPTIONS, HookOptions, StageOptions
from persistq.pool.child import end_if_imported
from persistq.settings import Settings, load_settings
from persistq.site.finding import catalogue_of
from persistq.site.naming import filled
from persistq.text.streams import broken_pipes_told
from persistq.text.suggestions import options_by_name

if TYPE_CHECKING:
    from persistq.pipeline.live import LiveRun

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
        settings: A subclass of `persistq.Settings`, with further fields and a prefix of its own:
            what handlers, source and context get as ``settings`` is one of its objects.
    """

    @options_by_name("Pipeline")
    def __init__(
        self,
        name: str,
        *,
        workers: int | None = None,
        codec: CodecName = "auto",
        allow_pickle: bool = True,
        settings: type[Settings] = Settings,
    ) -> None:
        ending.install()
        if not (isinstance(settings, type) and issubclass(settings, Settings)):
            raise UsageError(
                f"settings={settings!r} is refused: give a class that inherits persistq.Settings; "
                "single settings are arguments of run()"
            )
        self._settings = settings
        self.name = name
        self.workers = workers
        self.stages: list[Stage] = []
        # A wrong one is refused where it is given.
        ItemCodec(codec, allow_pickle=allow_pickle)
        self._codec: tuple[CodecName, bool] = codec, allow_pickle
        self._hooks: dict[str, Stage] = {}
        self._sources: list[Source] = []
        self._context: Context | None = None
        self._module = module_of_caller()

    def __repr__(self) -> str:
        sources = [source.name for source in self._sources]
        names = [stage.name for stage in self.stages]
        source = sources[0] if sources else None
        said = f"sources={sources!r}" if len(sources) > 1 else f"source={source!r}"
        return f"Pipeline({self.name!r}, {said}, stages={names!r})"

    # --- building ---

    @overload
    def source(self, function: F) -> F: ...

    @overload
    def source(self, **options: Unpack[SourceOptions]) -> Callable[[F], F]: ...

    @options_by_name("a source", SOURCE_OPTIONS)
    def source(self, function: Any = None, **options: Unpack[SourceOptions]) -> Any:
        """Decorate a function that yields items, of the first stage unless it says ``to``.

        It runs in a process of its own, and may be an asynchronous generator. Its parameters are
        filled by name from ``params``, but for ``settings`` and ``cursor``: how far it had come
        when it was called last (see `persistq.Put`), None at first.

        A pipeline may have several, also for one stage, which is over when all of them are.

        With ``poll=True`` it is called whenever its stage runs low, with the number of items that
        are wanted as ``wanted`` if it takes that, until the run is told to end. It may also return
        None, be a coroutine function, or yield nothing.

        With ``folder="in"`` it is no function: the items are the paths of that folder's files, or
        with ``rows=True`` the rows of its batch files. A stage of its own, ``in_done``, moves a
        file once the stage that has got it is done with it.

        Example:
            >>> pipeline.source(folder="in", match="*.csv")         # doctest: +SKIP

        Args:
            function: The function, when used without parentheses.
            **options: ``name``, ``to``, ``max_outstanding``, ``max_outstanding_bytes``, ``key``,
                ``once``, ``poll``, ``interval``, ``interval_max``, ``requeue_after``,
                ``exhausted_after``, ``retries``, ``backoff``, ``backoff_max``: see
                `persistq.pipeline.sourceoptions.SourceOptions`. ``folder``, ``rows``, and what a
                `persistq.FolderQueue` takes about reading: see
                `persistq.pipeline.foldersource.FolderSourceOptions`.

        Raises:
            UsageError: The name is taken, a call of the function would not yield items, or an
                option is wrong.
        """
        if function is None and options.get("folder") is not None:
            from persistq.pipeline.foldersource import folder_source_of, takes_no_function

            source = folder_source_of(given(options))
            self._add_source(source)
            return takes_no_function(source.name)
        if function is None:
            return partial(self.source, **options)
        self._add_source(source_of(function, options))
        return function

    def _add_source(self, source: Source) -> None:
        if any(other.name == source.name for other in self._sources):
            raise UsageError(f"pipeline {self.name!r} has a source {source.name!r} already")
        self._sources.append(source)

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
        (an `ItemInfo`), ``settings``, and with ``folder`` ``out`` (a `persistq.Outbox`) are filled
        by name if the handler has them. It returns the
        item for the next stage, or None for none, or is a generator that yields any number; what
        the last stage returns is not kept, unless it says ``keep_results=True``. With ``batch`` it
        gets a list of items, and ``items`` for ``item``; it returns None, or a list with one such
        result for each. What only promises a result, like a coroutine or a future, fails the item.

        If the item is annotated with a dataclass, a model of pydantic, a struct of msgspec,
        `TypedDict`, `Path`, `date`, `datetime`, `Decimal`, `UUID` or `Enum`, or what has one of
        these in it, items are checked when they are put, stored as JSON and rebuilt as that type.

        Args:
            function: The handler, when used without parentheses.
            **options: ``name``, ``was``, ``workers``, ``retries``, ``backoff``, ``backoff_max``,
                ``max_crashes``, ``on_error``, ``timeout``, ``halt``, ``stream``, ``batch``,
                ``linger``, ``batch_bytes``, ``sink``, ``folder``, ``names``, ``group_by``,
                ``group_size``, ``members``, ``member``, ``marker``, ``after``, ``puts``,
                ``pause``, ``key``, ``priority``, ``order``, ``keep_results``, ``rate``,
                ``burst``, ``concurrency``, ``threads``, ``max_items_per_worker``,
                ``max_rss_mb``, ``nice``: see `persistq.policy.StageOptions`.

        Raises:
            UsageError: The handler takes no item or unknown parameters, or a call of it would not
                do its work; the name is taken, or there is no such option.
        """
        if (halt := options.get("halt")) is not None:
            halt_rule(halt)

        def add(handler: F) -> F:
            self._append(stage_of(handler, options, awaited=True))
            return handler

        return add if function is None else add(function)

    @overload
    def context(self, function: F) -> F: ...

    @overload
    def context(self) -> Callable[[F], F]: ...

    @options_by_name("a context")
    def context(self, function: Any = None) -> Any:
        """Decorate a function that is called once in each worker process.

        What it returns or yields, a connection pool for example, is the argument ``ctx`` of
        handlers. What follows the ``yield`` cleans up, when the process has no more work or ends on
        purpose; also at SIGTERM, but not at SIGKILL. It may be ``async def``, a generator of both
        kinds, or a class of context managers or what `contextlib` makes of a generator. It may take
        ``settings``. Only processes of stages whose handler takes ``ctx`` call it.

        Raises:
            UsageError: The pipeline has a context already, or the function takes other parameters.
        """
        if function is None:
            return self.context
        if self._context is not None:
            raise UsageError(
                f"pipeline {self.name!r} has the context {self._context.name!r} already"
            )
        self._context = Context.of(function)
        return function

    @overload
    def on_settled(self, function: F) -> F: ...

    @overload
    def on_settled(self, **options: Unpack[HookOptions]) -> Callable[[F], F]: ...

    @options_by_name("a hook", HOOK_OPTIONS)
    def on_settled(
        self, function: Callable[..., Any] | None = None, **options: Unpack[HookOptions]
    ) -> Any:
        """Decorate a function that is called in a worker process when the load is settled.

        Its argument is a `Summary` of the load; it may take ``ctx``, ``item`` and ``settings`` as
        handlers do. The call is an item of the hidden stage ``on_settled``: it is retried, blamed
        and parked like any other, and only then is the load over. If it is parked, the exit code
        is 6, and `persistq retry` calls it again.

        Crash: the item is recorded with the end of the last other one, so the next start calls the
        function if this one has not. It may be called again if something dies before its end is
        recorded. A load that is retried by hand is settled again, and calls it again.

        Args:
            function: The function, when used without parentheses.
            **options: ``retries``, ``backoff``, ``backoff_max``, ``max_crashes``, ``timeout``, as
                for a stage.

        Raises:
            UsageError: The pipeline has one already, it takes no argument or unknown ones, or a
                call of it would not do its work.
        """
        return self._hook("settled", function, options)

    @overload
    def on_failed(self, function: F) -> F: ...

    @overload
    def on_failed(self, **options: Unpack[HookOptions]) -> Callable[[F], F]: ...

    @options_by_name("a hook", HOOK_OPTIONS)
    def on_failed(
        self, function: Callable[..., Any] | None = None, **options: Unpack[HookOptions]
    ) -> Any:
        """Decorate a function that is called when the load is settled and has parked items.

        Everything else is as for `on_settled`, beside which it is called.
        """
        return self._hook("failed", function, options)

    def _hook(self, when: When, function: Callable[..., Any] | None, options: HookOptions) -> Any:
        def add(hook: F) -> F:
            self._add_hook(f"on_{when}", when, hook, options)
            return hook

        return add if function is None else add(function)

    def _add_hook(
        self, name: str, when: When, function: Callable[..., Any], options: HookOptions
    ) -> None:
        if name in self._hooks or any(stage.name == name for stage in self.stages):
            raise UsageError(f"pipeline {self.name!r} has {name} already")
        self._hooks[name] = hook_of(function, when, options, name)

    def notify(
        self,
        *,
        command: str | Sequence[str] | None = None,
        url: str | None = None,
        when: Literal["settled", "failed"] = "settled",
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        name: str | None = None,
        retries: int = 5,
        backoff: float = 1.0,
    ) -> None:
        """Have a command run, or a URL posted to, when the load is settled.

        A command is no text for a shell: a list, or a text that is split at its spaces. It has what
        there is to say in variables, ``PERSISTQ_SETTLED_LOAD`` and its like, and as JSON on its
        standard input. A URL gets the same JSON in a POST, whose header ``Idempotency-Key`` is the
        same at each attempt. It is done when the command has ended with 0, or the answer is 2xx.

        Example:
            >>> pipeline = Pipeline("sales")
            >>> pipeline.notify(command=["systemctl", "start", "report"])
            >>> pipeline.notify(url="https://hooks.example/loads", when="failed")

        Crash: it is an item like that of `on_settled`: never forgotten, and repeated at most if
        something dies before its success is recorded.

        Args:
            command: The program and its arguments.
            url: Where to post to, over http or https.
            when: ``settled``, or ``failed`` for loads that have parked items then.
            headers: Further headers of the post.
            timeout: Seconds that it may take.
            name: What its hidden stage is called, which has to stay so while a load is unfinished;
                by default ``notify_command`` or ``notify_url``, and ``_failed`` behind it.
            retries: How often it is tried again before it is parked.
            backoff: Seconds before that, doubled each time.

        Raises:
            UsageError: It is neither or both, it cannot be run or posted to, or the pipeline has
                one of this name already.
        """
        from persistq.pipeline.notices import command_notice, url_notice

        if (command is None) == (url is None):
            raise UsageError("notify: give either a command or a url")
        if when not in {"settled", "failed"}:
            raise UsageError(f"notify: when={when!r} is refused: it is 'settled' or 'failed'")
        notice: Callable[..., Any] = (
            url_notice(url, headers or {}, timeout)
            if url is not None
            else command_notice(command or (), timeout)
        )
        kind = "command" if url is None else "url"
        called = name or f"notify_{kind}{'_failed' if when == 'failed' else ''}"
        self._add_hook(called, when, notice, {"retries": retries, "backoff": backoff})

    def put(self, stage: str | tuple[str, ...], item: Any) -> None:
        """Put an item into another stage, as an output of the item that the handler is at.

        For handlers of stages that say ``puts=`` or that feed several; the same as to yield
        `persistq.To`. Threads of the handler may call it, until the handler returns.

        Crash: it is recorded in the transaction that records the handler's item as done, or not at
        all; then the handler runs again. With ``stream=True`` it is recorded at once.

        Args:
            stage: The name of the stage, or several of them: then each gets the item.
            item: The item, of any type that can be stored.

        Raises:
            UsageError: No such handler is at work in this process.
            NotAResult: Its stage does not say that it puts there.
            ItemNotValid: The item is not of the type that the handler of that stage says.
            ItemNotStorable: The item cannot be encoded.
        """
        put(stage, item)

    def _append(self, stage: Stage) -> None:
        if any(other.name == stage.name for other in (*self.stages, *self._hooks.values())):
            raise UsageError(f"pipeline {self.name!r} has a stage {stage.name!r} already")
        if stage.was and any(other.was == stage.was for other in self.stages):
            raise UsageError(f"pipeline {self.name!r} has a stage that was {stage.was!r} already")
        require_known([other.name for other in self.stages], stage)
        self.stages.append(stage)
        try:
            graph_of(self.stages)
        except UsageError:
            self.stages.pop()
            raise

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

        Crash: whatever dies, the journal holds what is outstanding; the next call carries on.
        The page of guarantees says what may be done again.

        Args:
            workers: Processes of each stage, over what the pipeline says.
            fresh: Whether to begin anew although a load is unfinished; that one is marked
                abandoned.
            params: Arguments of the source, by name. They belong to the load: a start that carries
                it on takes what it does not name from there, and may not name other values.
            check: Whether to raise unless everything is done.
            overrides: Further settings by name; see the page of settings.

        Returns:
            What was done and what is left.

        Raises:
            UsageError: The pipeline or a setting is wrong, or the unfinished load has other stages
                or other parameters. The journal is as it was.
            JournalError: The journal cannot be used, or this pipeline is running already.
            LoadUnfinished: It failed or was interrupted, and ``check`` is set.
            ItemsFailed: It is settled with failed items, and ``check`` is set.

        What is not caught ends a script without a traceback, with a truthful exit code:
        2 for wrong usage, 3 for an unfinished load (4 if the journal could not be
        written any more, 130/143 after a signal), 4 for a journal, 6 for failed items.
        """
        settings = self._settings_of(workers=workers, fresh=fresh, params=params, **overrides)
        return run(self._definition(settings), settings, check=check)

    def results(
        self,
        *,
        load: int | None = None,
        ordered: bool = False,
        params: Mapping[str, Any] | None = None,
        journal: str | None = None,
    ) -> Iterator[Any]:
        """Iterate over what the last stages have made that say ``keep_results=True``.

        They are read from the journal, in any program that has this pipeline, also while a run is
        at work: then those that are there by now. They are kept as long as the items of their load
        are (``keep_loads``).

        Crash: a result is recorded together with the end of the item that it was made of, so each
        is there once.

        Args:
            load: Number of the load; None for the unfinished one, or else the latest.
            ordered: Whether they come in the order of the items that sources have put; by default
                as they were made. It takes about 100 bytes of memory for each.
            params: What fills the name, where that has parameters.
            journal: The directory of journals; None takes the setting.

        Raises:
            UsageError: There is no such load, it keeps no results, or has given them up.
            JournalError: The journal is not there, or cannot be read.
            ItemNotReadable: A result cannot be decoded here.
        """
        from persistq.pipeline.results import results_of

        given = None if params is None else dict(params)
        settings = load_settings(self._settings, journal=journal, params=given)
        codec = self._item_codec(settings)
        name = filled(self.name, parameters_of(self._sources, settings.params, codec).values)
        site = catalogue_of(absolute(settings.journal)).site(name)
        return results_of(site, load, codec, ordered=ordered)

    @broken_pipes_told()
    def start(
        self,
        *,
        signals: bool = False,
        workers: int | None = None,
        fresh: bool | None = None,
        params: Mapping[str, Any] | None = None,
        check: bool = True,
        **overrides: Any,
    ) -> LiveRun:
        """Start a load, or carry on the one that is unfinished, and return while it is at work.

        It works on a thread of its own, beside whatever the program does; any thread may call this,
        also one in which an event loop runs, which it blocks until the journal is open.

        Example:
            >>> run = pipeline.start()                      # doctest: +SKIP
            >>> run.alive                                   # doctest: +SKIP
            True
            >>> run.stop(grace=5)                           # doctest: +SKIP
            >>> summary = run.wait()                        # doctest: +SKIP

        Crash: as `run`. At an exit of the interpreter what is alive is stopped, and waited for.

        Args:
            signals: Whether SIGINT, SIGTERM and SIGHUP stop it, as they stop `run`; by default they
                are the program's. Only the main thread may have that.
            workers: As for `run`, and so are the others.
            fresh: As for `run`.
            params: As for `run`.
            check: Whether who waits for the run gets an error unless everything is done.
            overrides: As for `run`.

        Raises:
            UsageError: As for `run`, or signals are wanted outside the main thread.
            JournalError: As for `run`.
            LoadUnfinished: The broker has died at once.
        """
        live = self._live(check=check, workers=workers, fresh=fresh, params=params, **overrides)
        return live.begin(signals=signals).await_begin()

    async def arun(
        self,
        *,
        signals: bool = False,
        workers: int | None = None,
        fresh: bool | None = None,
        params: Mapping[str, Any] | None = None,
        check: bool = True,
        **overrides: Any,
    ) -> Summary:
        """Do what `run` does in a coroutine, without blocking its event loop.

        If the task is cancelled, as by Ctrl-C within `asyncio.run`, the run is stopped, and the
        cancellation goes on when it is over. A second one ends it at once.

        Crash: as `run`.

        Args:
            signals: As for `start`.
            workers: As for `run`, and so are the others.
            fresh: As for `run`.
            params: As for `run`.
            check: As for `run`.
            overrides: As for `run`.

        Raises:
            PersistqError: What `run` raises.
        """
        live = self._live(check=check, workers=workers, fresh=fresh, params=params, **overrides)
        return await live.begin(signals=signals).to_the_end()

    def wake(self) -> bool:
        """Have the sources with ``poll=True`` asked now, as soon as there is room.

        May be called by any process of the program: by a handler that knows there is more, or by a
        thread beside `run`. It takes about a millisecond.

        Crash: nothing is recorded; a source that starts again is asked anyway.

        Returns:
            Whether a source has been woken; False if the pipeline is not running in this program,
            or has none.
        """
        return waking.wake(self.name)

    def _live(self, *, check: bool, beside: bool = False, **start: Any) -> LiveRun:
        """Return a run that is not begun; ``beside`` others no live line is drawn."""
        # Who runs in the main thread needs neither threads' futures nor event loops.
        from persistq.pipeline.live import LiveRun

        settings = self._settings_of(**start)
        if beside and settings.progress == "auto":
            settings = msgspec.structs.replace(settings, progress="plain")
        return LiveRun(self._definition(settings), settings, check=check)

    def _settings_of(
        self,
        *,
        workers: int | None = None,
        fresh: bool | None = None,
        params: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> Settings:
        """Return the settings of a start that is about to be made."""
        end_if_imported()
        ending.install()
        settings = load_settings(
            self._settings,
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
        return settings

    def _definition(self, settings: Settings) -> Definition:
        stages = [*self.stages, *self._hooks.values()] if self.stages else []
        if settings.sample is not None:
            from persistq.pipeline.sample import tried_stages

            stages = tried_stages(stages)
        sources: Sequence[Source] = self._sources
        if any(source.folder for source in sources):
            from persistq.pipeline.foldered import with_folders

            sources, stages = with_folders(sources, stages, sample=settings.sample is not None)
        return definition_of(
            self.name,
            sources,
            stages,
            self._context,
            self._item_codec(settings),
        )

    def _item_codec(self, settings: Settings) -> ItemCodec:
        name, allow_pickle = self._codec
        return ItemCodec(
            name,
            allow_pickle=allow_pickle,
            item_bytes_max=settings.item_bytes_max,
            own=own_modules(self._module),
        )
