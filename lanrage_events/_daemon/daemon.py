"""The daemon, from its start until a signal or the end of its input."""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import anyio
import anyio.to_thread

from .._bus import EventBus, Tracer, is_trace_wanted
from .._containment import call
from .._exceptions import ConfigError, LanrageEventsError, PluginStartError
from .._exit import ExitGuard, StopRequested
from .._hints import install_hint
from .._redaction import Redactor
from .._threads import ThreadCall, call_in_thread
from ..cli import ChunkReader, ExitCode, counted
from ..config._build import make_bus, start_warnings
from ..config._load import load_config
from ..config._models import DaemonConfig
from ..outbox import Storage
from . import systemd as _systemd
from .check import check_again, is_setting
from .deadline import GRACE_SECONDS, StopDeadline
from .input_end import INPUT_TIMEOUT, InputEnd
from .instance import Instance
from .logging import LogHandler, logging_to_stderr, logging_until_exit
from .own_files import OwnFiles, check_files
from .progress import Progress
from .reload import Reloader
from .requests import reload_requests
from .signals import Signals
from .stdin import LineFeed

logger = logging.getLogger(__name__)

T = TypeVar("T")
Backend: TypeAlias = Literal["asyncio", "trio"]

_SIGNAL_SECONDS = 1.0  # on Windows, no signal interrupts a wait
_WATCH_SECONDS = 1.0


def run(
    file: Path | None,
    backend: Backend | None = None,
    *,
    read_stdin: bool = False,
    timeout: float = INPUT_TIMEOUT,
    trace: bool | None = None,
) -> int:
    """Run a configuration file and return the exit code.

    :param file: the YAML file; None for the default one, or the built-in configuration
    :param backend: the library that runs the tasks, instead of the one that the file names
    :param read_stdin: publish the events that standard input holds, and end when they are delivered
    :param timeout: seconds after which it gives up if nothing is delivered after the end of the input
    :param trace: print each call of a hook; None if the environment says so
    :raises ConfigError: if the configuration is wrong, with all that is wrong
    """
    redactor = Redactor()
    # With another backend than the file's, the command line decides which package is needed.
    load = partial(load_config, file, redactor=redactor, bounded=True, as_daemon=backend is None)
    with ExitGuard() as guard, logging_until_exit(redactor) as log:
        deadline = StopDeadline(guard)
        try:
            with Signals(deadline.begin_by_signal) as signals:
                with signals.interrupting():
                    first_load = partial(
                        load, on_settings=lambda found: log.set_format(found.log.format, redactor)
                    )
                    config = _outcome(ThreadCall(first_load, "loading the configuration"))

                return _run_config(
                    config, redactor, signals, deadline, backend, read_stdin, timeout, trace
                )
        except StopRequested as stop:
            deadline.notice()
            logger.info("stopped by %s before the plugins were started", stop)
            return ExitCode.DONE
        except KeyboardInterrupt:
            raise
        except (ConfigError, ModuleNotFoundError) as error:
            if log.log_format == "console":
                raise  # for people, without the time

            return _log_load_error(error)
        except BaseException:
            # Python would print it with every secret in it.
            logger.critical("unexpected error", exc_info=True)
            return ExitCode.FAILED
        finally:
            deadline.cancel()


def _log_load_error(error: ConfigError | ModuleNotFoundError) -> int:
    """Log why the daemon cannot start, and return the exit code."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            logger.error("%s", problem)

        return ExitCode.BAD_CONFIG

    hint = install_hint(error)
    logger.critical("%s", hint or "unexpected error", exc_info=None if hint else error)
    return ExitCode.FAILED


def _outcome(call: ThreadCall[T]) -> T:
    """Wait for a call in the main thread, where a signal may end the wait."""
    while not call.wait(_SIGNAL_SECONDS):
        continue

    return call.outcome()


def _run_config(
    config: DaemonConfig,
    redactor: Redactor,
    signals: Signals,
    deadline: StopDeadline,
    backend: Backend | None,
    read_stdin: bool,
    timeout: float,
    trace: bool | None,
) -> int:
    log = config.settings.log
    with logging_to_stderr(log.level, log.format, redactor) as handler:
        for warning in config.warnings:
            logger.warning("%s", warning)

        if config.is_default:
            logger.info(
                "there is no %s in this folder, so the plugins %s run with their defaults; "
                "the settings of the page are saved in %s",
                config.file,
                ", ".join(plugin.name for plugin in config.plugins),
                config.state_folder,
            )

        backend = backend or config.settings.backend
        with signals.interrupting():
            importlib.import_module(backend)
            config.rules.open_key(config.state_folder)
            bus = _make_bus(config, redactor, handler, batch=read_stdin, trace=trace)
            own = OwnFiles(
                config.file,
                config.secret_files,
                config.settings.plugins_folder,
                [config.state_folder],
            )
            check_files(bus, own, reads_stdin=read_stdin)
            instance = None if read_stdin else Instance.open(config)

        deadline.drain_timeout = config.settings.drain_timeout

        def load_again(running: DaemonConfig) -> Awaitable[DaemonConfig]:
            return call_in_thread(
                partial(check_again, running, redactor), "loading the configuration"
            )

        async def run_daemon() -> int:
            daemon = Daemon(
                bus,
                deadline=deadline,
                wait_stop=signals.wait_stop,
                wait_reload=signals.wait_reload,
                lines=ChunkReader() if read_stdin else None,
                input_timeout=timeout,
                handler=handler,
                reloader=None if read_stdin else Reloader(bus, config, load_again),
                instance=instance,
                find_warnings=partial(start_warnings, bus, config, redactor),
            )
            return await daemon.run()

        interrupted = ExitCode.INTERRUPTED if read_stdin else ExitCode.DONE
        try:
            return _run_loop(run_daemon, backend, interrupted, signals)
        finally:
            if instance is not None:
                instance.close()


def _make_bus(
    config: DaemonConfig,
    redactor: Redactor,
    handler: LogHandler,
    *,
    batch: bool,
    trace: bool | None,
) -> EventBus:
    is_traced = is_trace_wanted() if trace is None else trace
    # In JSON, a line of the trace is a line of the log.
    write = None if config.settings.log.format == "console" else handler.write
    instruments = [Tracer(redactor, write)] if is_traced else []
    return make_bus(config, redactor, batch=batch, trace=False, instruments=instruments)


def _run_loop(
    run_daemon: Callable[[], Awaitable[int]],
    backend: Backend,
    interrupted: ExitCode,
    signals: Signals,
) -> int:
    # Modules stay in memory. Without this, each collection of garbage would stop everything for some
    # 20 ms.
    gc.freeze()
    try:
        return anyio.run(run_daemon, backend=backend)
    except BaseException as error:
        what = "unexpected error"
        if _is_interrupt(error):
            if signals.was_interrupted:
                logger.info("stopped by KeyboardInterrupt")
                return interrupted

            what = "the daemon ends because a plugin raised KeyboardInterrupt, although no one pressed Ctrl-C"

        logger.critical("%s", what, exc_info=True)  # redacted, as Python would not do
        return ExitCode.FAILED
    finally:
        gc.unfreeze()


def _is_interrupt(error: BaseException) -> bool:
    """Return whether an error is nothing but what Ctrl-C raises, which may surface in a hook."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(KeyboardInterrupt)[1] is None

    return isinstance(error, KeyboardInterrupt)


class Daemon:
    """Runs a bus until it has to stop, or until all of an input is delivered.

    :param bus: with its plugins registered; its own drain timeout is for the end of the input
    :param deadline: how long stopping may take, except at the end of the input
    :param wait_stop: waits until it has to stop, and returns why, such as the name of a signal
    :param wait_reload: waits until the configuration is to be read again, and returns why
    :param lines: the input, chunks of JSON lines; None to run without one
    :param input_timeout: seconds after which it gives up if nothing is delivered after the end of the
        input
    :param handler: writes the log
    :param reloader: follows changes of the configuration; None to ignore them
    :param instance: gets what reloads did, for the command that asked for them; it stays open
    :param find_warnings: returns what the running plugins say of their configuration
    """

    def __init__(
        self,
        bus: EventBus,
        *,
        deadline: StopDeadline,
        wait_stop: Callable[[], Awaitable[str]],
        wait_reload: Callable[[], Awaitable[str]],
        lines: AsyncIterable[bytes] | None = None,
        input_timeout: float = INPUT_TIMEOUT,
        handler: LogHandler,
        reloader: Reloader | None = None,
        instance: Instance | None = None,
        find_warnings: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._bus = bus
        self._find_warnings = find_warnings
        self._reloader = reloader
        self._instance = instance
        self._deadline = deadline
        self._wait_stop = wait_stop
        self._wait_reload = wait_reload
        self._lines = lines
        self._feed = LineFeed(bus)
        self._progress = Progress(bus, self._feed, handler)
        self._input_end = InputEnd(bus, self._feed, self._progress, input_timeout)
        self._work = anyio.CancelScope()
        self._is_ready = False
        self._outboxes: Mapping[str, Storage | None] = {}
        """what the plugins deliver from, when the daemon begins to stop"""
        self._stop_reason: str | None = None
        self._stop_at: float | None = None
        """when the bus is to be drained, in the time of the event loop"""

    async def run(self) -> int:
        """Run it, and return the exit code."""
        self._deadline.watch(self._bus)
        code = await self._run()
        self._deadline.end(code)
        return code

    async def _run(self) -> int:
        error: PluginStartError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop_on_request)
            if self._lines is not None:
                tasks.start_soon(self._progress.run)
                tasks.start_soon(self._limit_input)

            with self._work:
                async with self._reload_requests() as requests:
                    tasks.start_soon(self._watch_start)
                    try:
                        async with self._bus:
                            try:
                                await self._live(requests)
                            finally:
                                self._limit_drain()
                    except PluginStartError as start_error:
                        error = start_error

            tasks.cancel_scope.cancel()

        if error is not None:
            _log_start_error(error)
            return ExitCode.BAD_CONFIG if self._is_rejected(error) else ExitCode.FAILED

        if self._lines is not None:
            return self._report_input()

        if self._stop_reason is None:
            logger.critical("the daemon ended although nothing asked it to stop")
            return ExitCode.FAILED

        # What is in memory has no next start that delivers it.
        if any(map(_is_lost, self._outboxes.values())):
            logger.error("stopped, but not everything that was accepted was delivered")
            return ExitCode.FAILED

        if late := self._late():
            logger.error("stopped, but plugins had to be cancelled: %s", ", ".join(late))
            return ExitCode.FAILED

        logger.info("stopped")
        return ExitCode.DONE

    def _late(self) -> list[str]:
        plugins = self._bus.statistics().plugins
        return [name for name, plugin in plugins.items() if plugin.ended_late]

    def _is_rejected(self, error: PluginStartError) -> bool:
        """Return whether a plugin cannot start for a reason that a check of the configuration finds.

        Another one, such as a port that is in use, may pass.
        """
        if not isinstance(error.__cause__, ConfigError) or error.plugin not in self._bus.plugins:
            return False

        return any(map(is_setting, self._bus.plugins.problems(error.plugin)))

    def _reload_requests(self) -> AbstractAsyncContextManager[AsyncIterable[str]]:
        """Receive reasons to reload, also those that come before the plugins have started."""
        reloader = self._reloader
        if reloader is None or not reloader.config.settings.watch:
            return reload_requests(self._wait_reload)

        file = reloader.config.file
        return reload_requests(self._wait_reload, file, lambda: reloader.watched_folders)

    async def _watch_start(self) -> None:
        """Limit the time until the others have ended, if a plugin cannot start."""
        while True:
            await anyio.sleep(_WATCH_SECONDS)
            if self._is_ready or self._stop_reason is not None:
                return

            plugins = self._bus.statistics().plugins
            ended = {name for name, plugin in plugins.items() if plugin.state == "stopped"}
            if not ended and not self._bus.closing:
                continue

            failed = [n for n, health in self._bus.health().items() if health.status == "failed"]
            if failed:
                logger.error("could not start %s: waiting for the others", ", ".join(failed))
                self._deadline.begin()
                return

    async def _live(self, requests: AsyncIterable[str]) -> None:
        self._is_ready = True
        for warning in self._find_warnings():
            logger.warning("%s", warning)

        names = ", ".join(self._bus.health()) or "none"
        logger.info("ready, with the plugins %s", names)
        _systemd.notify(f"READY=1\nSTATUS=plugins: {names}")
        try:
            if self._lines is None:
                await self._follow_changes(requests)
            else:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._ignore_changes, requests)
                    await self._feed.run(self._lines)
                    tasks.cancel_scope.cancel()

                logger.info("end of the input, %s", self._feed.summary("read"))
                _systemd.notify("STOPPING=1")
        finally:
            self._outboxes = self._bus.query("outbox")
            if not self._feed.finished and self._stop_at is None:
                self._deadline.begin()

    def _limit_drain(self) -> None:
        """Leave the bus only what is left of its time, since a change may have needed a part."""
        if self._stop_at is not None:
            seconds_left = max(0.0, self._stop_at - anyio.current_time())
            self._bus.plugins.drain_timeout = seconds_left

    async def _follow_changes(self, requests: AsyncIterable[str]) -> None:
        """Reload the configuration on every request, for ever."""
        async for reason in requests:
            if self._reloader is None:
                continue

            logger.info("reloading the configuration because of %s", reason)
            _systemd.notify("RELOADING=1")
            await self._reload(self._reloader)
            _systemd.notify("READY=1")
            self._deadline.drain_timeout = self._bus.plugins.drain_timeout

    async def _reload(self, reloader: Reloader) -> None:
        instance = self._instance
        if instance is None:
            await reloader.reload()
            return

        await anyio.to_thread.run_sync(instance.begin_reload)
        is_complete = await reloader.reload()
        end = partial(
            instance.end_reload,
            is_complete=is_complete,
            is_invalid=reloader.result.is_invalid,
            messages=[self._bus.redactor.redact(text) for text in reloader.result.messages],
        )
        await anyio.to_thread.run_sync(end)

    async def _ignore_changes(self, requests: AsyncIterable[str]) -> None:
        async for reason in requests:
            logger.warning(
                "%s is ignored: with --stdin, the configuration is read only at the start", reason
            )

    async def _stop_on_request(self) -> None:
        reason = await self._wait_stop()
        self._stop_reason = reason
        drain_timeout = self._deadline.drain_timeout
        self._deadline.notice()
        logger.info(
            "stopping within %g seconds because of %s; another one stops at once",
            drain_timeout,
            reason,
        )
        _systemd.notify("STOPPING=1")
        self._deadline.begin()
        self._stop_at = anyio.current_time() + drain_timeout
        # The bus may be draining already, without limit.
        self._bus.plugins.drain_timeout = drain_timeout
        self._work.cancel()

    async def _limit_input(self) -> None:
        """End the bus when nothing has been delivered for too long after the end of the input."""
        await self._input_end.wait()
        logger.error(
            "nothing was delivered for %g seconds after the end of the input: giving up",
            self._input_end.seconds,
        )
        self._deadline.drain_timeout = GRACE_SECONDS
        self._deadline.begin()
        self._bus.plugins.drain_timeout = GRACE_SECONDS

    def _report_input(self) -> int:
        """Log what happened to the input, and return the exit code."""
        problems = list(self._problems())
        for problem in problems:
            logger.error("%s", problem)

        if problems:
            logger.error("%s, but not everything is well", self._feed.summary("read"))
            return ExitCode.FAILED

        logger.info("%s", self._feed.summary("read and delivered"))
        return ExitCode.DONE

    def _problems(self) -> Iterator[str]:
        if self._feed.bad:
            yield f"{counted(self._feed.bad, 'line')} of the input could not be read"

        if self._feed.rejected:
            yield f"{counted(self._feed.rejected, 'event')} of the input could not be published"

        if self._input_end.is_over:
            yield f"nothing was delivered for {self._input_end.seconds:g} seconds"

        for name in self._late():
            yield f"plugin '{name}' had to be cancelled"

        if self._feed.interrupted:
            yield "stopped in the middle of the input"
        elif not self._feed.finished and self._stop_reason is None:
            yield "ended before the end of the input, although nothing asked it to stop"

        statistics = self._bus.statistics().plugins
        for name, health in self._bus.health().items():
            lost = {
                "failed": statistics[name].failed,
                "dropped": statistics[name].dropped,
                "not delivered": health.undelivered,
            }
            parts = [f"{count:,} {what}" for what, count in lost.items() if count]
            if parts or health.status == "failed":
                reason = f": {health.detail}" if health.detail else ""
                yield f"plugin '{name}': {', '.join(parts) or 'failed'}{reason}"


def _log_start_error(error: PluginStartError) -> None:
    cause = error.__cause__
    if isinstance(cause, ConfigError):
        for problem in cause.problems:
            logger.error("plugin '%s': could not start: %s", error.plugin, problem)

        return

    is_explained = isinstance(cause, LanrageEventsError)
    logger.error("%s", error, exc_info=None if is_explained else cause)


def _is_lost(storage: Storage | None) -> bool:
    """Return whether an outbox ended with entries in memory."""
    try:
        return storage is not None and call(
            lambda: not storage.durable and storage.statistics().pending > 0
        )
    except Exception:  # noqa: BLE001 - what a plugin returned is no outbox
        return False
