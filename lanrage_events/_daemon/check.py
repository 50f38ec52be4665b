"""The check of a configuration that does not run it."""

from __future__ import annotations

from pathlib import Path

from .._bus import EventBus
from .._exceptions import ConfigError
from .._redaction import Redactor
from .._threads import logger as slow_calls
from ..config._build import make_bus
from ..config._load import load_config
from ..config._models import DaemonConfig
from .logging import logging_to_stderr


def prepare(file: Path | None) -> tuple[DaemonConfig, EventBus]:
    """Check a configuration file and create its bus with its plugins, without starting anything.

    :param file: the YAML file; None for the default one, or the built-in configuration
    :raises ConfigError: with everything that is wrong
    """
    redactor = Redactor()
    slow_calls.setLevel("WARNING")  # says what the user waits for
    with logging_to_stderr("error", "console", redactor):
        config = load_config(file, redactor=redactor, bounded=True)
        bus = make_bus(config, redactor)
        places = {plugin.name: plugin.place for plugin in config.plugins}
        problems = [f"{places[name]}: {problem}" for name, problem in bus.plugins.validate()]
        if problems:
            raise ConfigError([redactor.redact(problem) for problem in problems])

        return config, bus
