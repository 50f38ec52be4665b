"""The daemon, from its start until a signal or the end of its input."""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import anyio

from .._bus import EventBus
from .._exceptions import LanrageEventsError, PluginStartError
from .._redaction import Redactor
from ..cli import ChunkReader, ExitCode, counted
from ..config._build import make_bus
from ..config._load import load_config
from ..config._models import DaemonConfig
from . import systemd as _systemd
from .logging import LogHandler, logging_to_stderr
from .progress import Progress
from .reload import Reloader, reload_requests
from .signals import stop_signals
from .stdin import LineFeed

logger = logging.getLogger(__name__)

Backend: TypeAlias = Literal["asyncio", "trio"]


def run(
    file: Path | None,
    backend: Backend | None = None,
    *,
    read_stdin: bool = False,
    trace: bool | None = None,
) -> int:
    """Run a configuration file and return the exit code.

    :param file: the YAML file; None for the default one, or the built-in configuration
    :param backend: the library that runs the tasks, instead of the one that the file names
    :param read_stdin: publish the events that standard input holds, and end when they are delivered
    :param trace: print each call of a hook; None if the environment says so
    :raises ConfigError: if the configuration is wrong, with all that is wrong
    """
    redactor = Redactor()
    with logging_to_stderr("info", "console", redactor):
        config = load_config(file, redactor=redactor)

    log = config.settings.log
    with logging_to_stderr(log.level, log.format, redactor) as handler:
        for warning in config.warnings:
            logger.warning("%s", warning)

        if config.is_default:
            logger.info(
                "there is no %s in this folder, so the plugins %s run with their defaults; "
                "the settings of the page are saved in %s",
                config.file,
                " and ".join(plugin.name for plugin in config.plugins),
                config.state_folder,
            )

        backend = backend or config.settings.backend
        importlib.import_module(backend)
        bus = make_bus(config, redactor, batch=read_stdin, trace=trace)
        return _run_bus(bus, file, config, backend, handler, read_stdin=read_stdin)


def _run_bus(
    bus: EventBus,
    file: Path | None,
    config: DaemonConfig,
    backend: Backend,
    handler: LogHandler,
    *,
    read_stdin: bool,
) -> int:
    async def run_daemon() -> int:
        load = partial(load_config, file, redactor=bus.redactor)
        daemon = Daemon(
            bus,
            drain_timeout=config.settings.drain_timeout,
            wait_stop=wait_stop,
            lines=ChunkReader() if read_stdin else None,
            handler=handler,
            reloader=None if read_stdin else Reloader(bus, config, load),
        )
        return await daemon.run()

    # Modules stay in memory. Without this, each collection of garbage would stop everything for some
    # 20 ms.
    gc.freeze()
    try:
        with stop_signals() as wait_stop:
            return anyio.run(run_daemon, backend=backend)
    except Exception:
        # Python would print it with every secret in it.
        logger.critical("unexpected error", exc_info=True)
        return ExitCode.FAILED
    finally:
        gc.unfreeze()


class Daemon:
    """Runs a bus until it has to stop, or until all of an input is delivered.

    :param bus: with its plugins registered; its own drain timeout is for the end of the input
    :param drain_timeout: seconds that stopping may take, except at the end of the input
    :param wait_stop: waits until it has to stop, and returns why, such as the name of a signal
    :param lines: the input, chunks of JSON lines; None to run without one
    :param handler: writes the log
    :param reloader: follows changes of the configuration; None to ignore them
    """

    def __init__(
        self,
        bus: EventBus,
        *,
        drain_timeout: float,
        wait_stop: Callable[[], Awaitable[str]],
        lines: AsyncIterable[bytes] | None = None,
        handler: LogHandler,
        reloader: Reloader | None = None,
    ) -> None:
        self._bus = bus
        self._reloader = reloader
        self._drain_timeout = drain_timeout
        self._wait_stop = wait_stop
        self._lines = lines
        self._feed = LineFeed(bus)
        self._progress = Progress(bus, self._feed, handler)
        self._work = anyio.CancelScope()

    async def run(self) -> int:
        """Run it, and return the exit code."""
        error: PluginStartError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop_on_request)
            if self._lines is not None:
                tasks.start_soon(self._progress.run)

            with self._work:
                try:
                    async with self._bus:
                        await self._live()
                except PluginStartError as start_error:
                    error = start_error

            tasks.cancel_scope.cancel()

        if error is not None:
            _log_start_error(error)
            return ExitCode.FAILED

        if self._lines is not None:
            return self._report_input()

        logger.info("stopped")
        return ExitCode.DONE

    async def _live(self) -> None:
        names = ", ".join(self._bus.health()) or "none"
        logger.info("ready, with the plugins %s", names)
        _systemd.notify(f"READY=1\nSTATUS=plugins: {names}")
        if self._lines is None:
            await self._follow_changes()
        else:
            await self._feed.run(self._lines)
            logger.info("end of the input, %s read", counted(self._feed.published, "event"))
            _systemd.notify("STOPPING=1")

    async def _follow_changes(self) -> None:
        """Reload the configuration on every request, for ever."""
        if self._reloader is None:
            await anyio.sleep_forever()
            return

        async with reload_requests(self._reloader.config) as requests:
            async for reason in requests:
                logger.info("reloading the configuration because of %s", reason)
                _systemd.notify("RELOADING=1")
                await self._reloader.reload()
                _systemd.notify("READY=1")
                self._drain_timeout = self._bus.plugins.drain_timeout

    async def _stop_on_request(self) -> None:
        reason = await self._wait_stop()
        logger.info(
            "stopping within %g seconds because of %s; another one stops at once",
            self._drain_timeout,
            reason,
        )
        _systemd.notify("STOPPING=1")
        # The bus may be draining already, without limit.
        self._bus.plugins.drain_timeout = self._drain_timeout
        self._work.cancel()

    def _report_input(self) -> int:
        """Log what happened to the input, and return the exit code."""
        problems = list(self._problems())
        for problem in problems:
            logger.error("%s", problem)

        published = counted(self._feed.published, "event")
        if problems:
            logger.error("%s read, but not everything is well", published)
            return ExitCode.FAILED

        logger.info("%s read and delivered", published)
        return ExitCode.DONE

    def _problems(self) -> Iterator[str]:
        if self._feed.bad:
            yield f"{counted(self._feed.bad, 'line')} of the input could not be read"

        if self._feed.interrupted:
            yield "stopped in the middle of the input"

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
    is_explained = isinstance(cause, LanrageEventsError)
    logger.error("%s", error, exc_info=None if is_explained else cause)
