"""The command line. Each command imports what it needs when it is called."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from cyclopts import App, CycloptsError

from .._discovery import PluginCommand, plugin_commands
from .._exceptions import ConfigError, OutboxError, format_error
from .._hints import OWN_DISTRIBUTION
from ..cli import ExitCode, counted, write_errors, write_json, write_lines
from . import completion
from .completion import Shell
from .errors import CommandError, CommandLoadError, UsageError, usage_text
from .options import Config, Flag, PluginKind, seconds_of
from .outbox import make_app as outbox_app
from .plugin_commands import load_command, summary

PLUGIN_COMMANDS = "Commands of plugins"

HELP = "An event bus for gaming communities and LAN parties, with Discord notifications."
EXIT_CODES = (
    "Exit codes: 0 all is well, 1 something failed, 2 the command line is wrong, "
    "78 the configuration is wrong."
)


def main(words: Sequence[str], on_loaded: Callable[[], object] = lambda: None) -> int:
    """Run a command and return the exit code of the process.

    :param words: the words after the name of the program
    :param on_loaded: called when the command is imported, and before it begins
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character still shows the others.
        sys.stdout.reconfigure(errors="replace")

    try:
        code = _run(words, on_loaded)
        sys.stdout.flush()
    except (CycloptsError, UsageError) as error:
        write_errors([f"{OWN_DISTRIBUTION}: {usage_text(error)}"])
        return ExitCode.MISUSE
    except ConfigError as error:
        write_errors(error.problems)
        return ExitCode.BAD_CONFIG
    except OutboxError as error:
        write_errors([str(error)])
        return ExitCode.FAILED
    except CommandError as error:
        write_errors([f"{OWN_DISTRIBUTION}: {error}"])
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED

    return code


def _run(words: Sequence[str], on_loaded: Callable[[], object]) -> int:
    app = make_app()
    called = next((word for word in words if not word.startswith("-")), None)
    needs_all = completion.NAME in words
    for command in plugin_commands():
        if command.name in app:  # our own cannot be replaced
            continue

        try:
            _add_plugin_command(app, command, is_called=needs_all or command.name == called)
        except CommandLoadError as error:
            if not needs_all:
                raise

            write_errors([str(error)])

    on_loaded()
    result = app(words, exit_on_error=False, print_error=False)
    return result if isinstance(result, int) else ExitCode.DONE


def make_app() -> App:
    """Return the app with the commands of our own."""
    app = App(
        name=OWN_DISTRIBUTION,
        help=HELP,
        help_epilogue=EXIT_CODES,
        version=lambda: f"{OWN_DISTRIBUTION} {version(OWN_DISTRIBUTION)}",
        result_action="print_non_int_return_int_as_exit_code",
        suppress_keyboard_interrupt=False,
    )
    for function in (
        run,
        init,
        check,
        reload,
        backup,
        restore,
        schema,
        plugins,
        events,
        new_plugin,
    ):
        app.command(function)

    app.command(outbox_app())

    def install_completion(*, shell: Shell | None = None, output: Path | None = None) -> int:
        """Let the shell complete commands and options after a press of Tab.

        It writes a script to where the shell looks for it and, except for fish, a line into the
        shell's start-up file that loads it. Run it again after you install a plugin with commands.

        :param shell: the shell, instead of the one that this is started from
        :param output: where to write the script; then no start-up file is changed
        """
        return completion.run(app, shell, output)

    app.command(install_completion, name=completion.NAME)
    return app


def _add_plugin_command(app: App, command: PluginCommand, *, is_called: bool) -> None:
    """Add a command of a plugin, which is imported only if it is called.

    :raises CommandLoadError: if it is called and cannot be used
    """
    if not is_called:
        app.command(App(name=command.name, help=summary(command), group=PLUGIN_COMMANDS))
        return

    function = load_command(command)
    try:
        app.command(function, name=command.name, group=PLUGIN_COMMANDS)
    except Exception as error:  # it has parameters that a command line cannot have
        raise CommandLoadError(command, format_error(error)) from error


def run(
    file: Config = None,
    *,
    backend: Literal["asyncio", "trio"] | None = None,
    stdin: Flag = False,
    timeout: str | None = None,
    trace: Flag = False,
) -> int:
    """Run the plugins of a configuration file until SIGINT or SIGTERM.

    Without a file, and without a lanrage.yaml in this folder, it serves the setup page and posts to
    the webhook that is set there.

    On a signal it delivers what is pending, for at most the file's drain_timeout, and exits with 0,
    with 1 if something was lost that an outbox kept in memory only or a plugin had to be cancelled, or
    a second later with 1 if one does not even end then. A second signal ends it at once. SIGHUP reloads the file.

    :param file: the configuration; lanrage.yaml in this folder by default
    :param backend: the library that runs the tasks, instead of the one that the file names
    :param stdin: read events from standard input, one JSON object a line, and exit when all are
        delivered: with 0, or with 1 if a line was bad or an event could not be delivered
    :param timeout: with --stdin, how long nothing may be delivered after the end of the input, such as
        because a receiver is down, before it gives up with 1; 5m by default; what an outbox on disk
        holds is delivered at the next start
    :param trace: print each call of a hook on stderr, with plugin, duration and outcome
    """
    from .._daemon import INPUT_TIMEOUT
    from .._daemon import run as run_daemon

    seconds = INPUT_TIMEOUT
    if timeout is not None:
        if not stdin:
            raise UsageError("--timeout is for the end of an input: give --stdin, too")

        seconds = seconds_of(timeout, "--timeout")

    return run_daemon(file, backend, read_stdin=stdin, timeout=seconds, trace=trace or None)


def init(file: Path | None = None, /) -> int:
    """Write a commented lanrage.yaml to begin with, which shows what most LAN parties need.

    It asks nothing, and overwrites nothing. Only you can read the file, since it will hold the
    webhook's URL.

    :param file: where to write it; lanrage.yaml in this folder by default
    """
    from .init import run as write_starter

    return write_starter(file)


def check(
    file: Config = None,
    *,
    strict: Flag = False,
    online: Flag = False,
    event: str | None = None,
) -> int:
    """Check a configuration file and its plugins without running anything.

    It prints every error and exits with 78, or reports that all is well and exits with 0. What works
    but is most likely a mistake, such as a route that no event can reach, is a warning.

    :param file: the configuration; lanrage.yaml in this folder by default
    :param strict: exit with 78 if there are warnings, too
    :param online: also ask the services that the plugins will use, such as Discord for each webhook,
        without posting anything; it exits with 78 if one of them does not exist, and with 1 if it
        cannot be asked
    :param event: also show what each rule of the file, and then each plugin's transform, does with this event, a
        JSON object
    """
    from .._daemon import check as check_config

    checked = check_config(file)
    draft = checked.draft
    write_lines(f"warning: {text}" if is_warning else text for text, is_warning in checked.findings)
    warnings = sum(finding.is_warning for finding in checked.findings)
    counts = [counted(len(checked.findings) - warnings, "error"), counted(warnings, "warning")]
    if draft.has_errors:
        name = f"(no {draft.file})" if draft.is_default else draft.file
        write_lines([f"{name}: {' and '.join(counts if warnings else counts[:1])}"])
        return ExitCode.BAD_CONFIG

    config = draft.config()
    names = ", ".join(plugin.name for plugin in config.plugins) or "none"
    name = f"no {config.file}, so the defaults" if config.is_default else config.file
    result = counts[1] if warnings else "all is well"
    write_lines([f"{name}: {result}; plugins: {names}; backend: {config.settings.backend}"])
    code = ExitCode.BAD_CONFIG if strict and warnings else ExitCode.DONE
    if event is not None:
        from .rules import run as show_rules

        show_rules(checked.bus, event)

    if online:
        from .online import run as ask_services

        return max(code, ask_services(checked.bus, config.settings.backend))

    return code


def reload(file: Config = None, *, state_folder: Path | None = None) -> int:
    """Let the daemon that runs a configuration file read it again, and print what changed.

    It waits for a minute at most. It exits with 78 if the file has errors, which change nothing, and
    with 1 if there is no daemon or not everything could be changed.

    :param file: the configuration; lanrage.yaml in this folder by default
    :param state_folder: the daemon's state folder, if this file does not say it here, such as one in
        a variable that only the daemon has
    """
    from .reload import run as reload_daemon

    return reload_daemon(file, state_folder)


def backup(folder: Path, /, file: Config = None, *, state_folder: Path | None = None) -> int:
    """Copy the state folder of a daemon, also while it runs.

    The copy has what waits for Discord, the dead letters, what was set on the page, and the places
    in log files. It holds secrets, so only you can read it. The configuration is not in it.

    :param folder: where to write the copy, a new folder
    :param file: the configuration; lanrage.yaml in this folder by default
    :param state_folder: the daemon's state folder, instead of the one that the file names
    """
    from .backup import back_up

    return back_up(folder, file, state_folder)


def restore(folder: Path, /, file: Config = None, *, state_folder: Path | None = None) -> int:
    """Make the state folder of a daemon from a backup, before it starts.

    Nothing that exists is overwritten. What waited when the backup was made is sent when the daemon
    starts.

    :param folder: what "backup" wrote
    :param file: the configuration; lanrage.yaml in this folder by default
    :param state_folder: the daemon's state folder, instead of the one that the file names
    """
    from .backup import restore as restore_backup

    return restore_backup(folder, file, state_folder)


def schema(*, plugins_folder: Path | None = None) -> int:
    """Print the JSON Schema of configuration files, for editors.

    It has the keys of every plugin that is installed.

    :param plugins_folder: a folder of single-file plugins to include, too
    """
    from .._discovery import Catalog
    from ..config._schema import json_schema

    write_json(json_schema(Catalog.discover(plugins_folder)))
    return ExitCode.DONE


def plugins(
    *,
    json: Flag = False,
    plugins_folder: Path | None = None,
) -> int:
    """List the plugins that are installed, and what is wrong with broken ones.

    :param json: print JSON
    :param plugins_folder: a folder of single-file plugins to list, too
    """
    from .._discovery import Catalog
    from .listing import plugin_data, plugin_table

    infos = Catalog.discover(plugins_folder).describe()
    write_errors(_unusable_commands())
    if json:
        write_json(plugin_data(infos))
    else:
        write_lines(plugin_table(infos))

    return ExitCode.DONE


def _unusable_commands() -> Iterator[str]:
    own = make_app()
    for command in plugin_commands():
        problem = "lanrage-events has its own" if command.name in own else command.problem
        if problem:
            yield str(CommandLoadError(command, problem))


def events(file: Config = None, *, schema: Flag = False) -> int:
    """List the event types with their fields.

    :param file: a configuration, to list the types that its plugins bring; by default those of all
        installed plugins
    :param schema: print the JSON Schema of events
    """
    from .listing import event_lines, event_schema

    if file is None:
        from .._discovery import Catalog
        from ..config._build import installed_bus

        bus, problems = installed_bus(Catalog.discover(), ("register_events",))
        write_errors(problems)
    else:
        from ..config import load_bus

        bus = load_bus(file)

    registry = bus.events

    if schema:
        write_json(event_schema(registry))
    else:
        write_lines(event_lines(registry))

    return ExitCode.DONE


def new_plugin(
    name: str,
    /,
    *,
    kind: PluginKind = "events",
    folder: Path | None = None,
    event: str | None = None,
) -> int:
    """Write a distribution with a plugin of your own, with tests, ready to be installed.

    It has a configuration, tests, a README, a license, and a workflow that runs the tests on GitHub.
    Nothing that exists is overwritten.

    :param name: the plugin's name in the YAML file, such as lan-bingo
    :param kind: what it does: publish events of its own, with a template for Discord (events); send
        what happens elsewhere, until it arrives (sink); publish what it finds elsewhere (source); or
        change or drop events before others receive them (transform)
    :param folder: where to write it; by default a new folder lanrage-events-NAME
    :param event: the class of its event, a noun and a past participle such as BingoCalled. The kind
        events has one derived from the name by default; the kind source publishes built-in events
        unless you give one; the other kinds have none
    """
    from .new_plugin import run as write_plugin

    return write_plugin(name, folder, event, kind)
