"""The check of a configuration file, from its YAML to its plugins."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from .._discovery import COMMON_KEYS, LIMIT_VARIABLE, Catalog, LoadedPlugin, is_name
from .._exceptions import PluginLoadError, PluginNotFound
from .._hints import did_you_mean, install_hint
from .._redaction import Redactor
from .._threads import call_within
from ..yaml import Document, KeyPath, Problem, YAMLValue, parse, read, with_path
from ._expansion import expand
from ._models import CommonConfig, ConfiguredPlugin, DaemonConfig, Settings
from ._types import resolve_path
from ._validation import Validator

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_FILE = Path("lanrage.yaml")
LOAD_SECONDS = 30.0
"""how long a plugin may take to be imported, and to check its part of the file"""
MAX_PLUGINS = 1000

# What a LAN host needs to begin: a page to paste a webhook's URL into, and the plugin that posts to
# it. The variables are for a port that is in use, and for proxies and tests instead of Discord.
DEFAULT_SOURCE = b"""\
plugins:
  http: {port: "${LANRAGE_EVENTS_PORT:-8666}"}
  discord: {allow_hosts: ["${LANRAGE_EVENTS_DISCORD_HOST:-discord.com}"]}
"""


def load_config(
    file: Path | None,
    catalog: Catalog | None = None,
    *,
    redactor: Redactor | None = None,
    environment: Mapping[str, str] = os.environ,
    bounded: bool = False,
) -> DaemonConfig:
    """Read a configuration file and check all of it.

    Its plugins are imported, but not created, and no file or folder is created.

    :param file: the YAML file; None for ``lanrage.yaml`` in this folder or, if there is none, the
        plugins ``http`` and ``discord`` with their defaults
    :param catalog: the available plugins; default: what is installed
    :param redactor: learns every secret of the file before any message about it
    :param environment: where ``${NAME}`` is looked up
    :param bounded: whether a plugin that takes too long is reported; its module is then imported,
        and its part of the file checked, in a thread of its own
    :raises ConfigError: with everything that is wrong
    """
    if catalog is None:
        catalog = Catalog.discover(environment=environment)

    path = DEFAULT_FILE if file is None else file
    is_default = file is None and not path.exists()
    document = parse(DEFAULT_SOURCE, f"(no {path})") if is_default else read(path)
    return check_config(
        document,
        catalog,
        redactor=redactor or Redactor(),
        environment=environment,
        file=path,
        is_default=is_default,
        bounded=bounded,
    )


def check_config(
    document: Document,
    catalog: Catalog,
    *,
    redactor: Redactor,
    environment: Mapping[str, str],
    file: Path,
    is_default: bool = False,
    bounded: bool = False,
) -> DaemonConfig:
    """Turn a document into a configuration.

    :param document: changed in place
    :param file: the state folder is named after it
    :param is_default: whether the file does not exist
    :param bounded: as for :func:`load_config`
    :raises ConfigError: with everything that is wrong
    """
    parts = expand(document, environment, redactor)
    return _Checker(Validator(document, redactor, parts), file, is_default, bounded).check(catalog)


@dataclass(slots=True)
class _Checker:
    """Turns one document into a configuration, and collects what is wrong with it."""

    validator: Validator
    file: Path
    is_default: bool
    is_bounded: bool
    warnings: list[Problem] = field(default_factory=list)
    is_catalog_whole: bool = True

    def check(self, catalog: Catalog) -> DaemonConfig:
        data = self.validator.document.data
        if data is None and self.validator.document.problems:
            raise self.validator.error()  # more errors would only confuse

        if not isinstance(data, dict) and data is not None:
            self._report((), "expected keys with values at the top, such as 'plugins:'")
            raise self.validator.error()

        # An empty key counts as absent.
        top = {key: value for key, value in (data or {}).items() if value is not None}
        sections = top.pop("plugins", {})
        settings = self.validator.validate(Settings, top, also=("plugins",))
        plugins: list[ConfiguredPlugin] = []
        if data is None or "plugins" not in data:
            self._report(("plugins",), "required, but missing: it names the plugins to run")
        elif isinstance(sections, dict):
            plugins = self._plugins(sections, self._with_folder(catalog, top))
        else:
            self._report(("plugins",), "expected the names of plugins as keys, such as 'log:'")

        state_folder = self._state_folder(settings)
        if self.validator.document.problems or settings is None or state_folder is None:
            raise self.validator.error()

        warnings = self.validator.format(self.warnings)
        return DaemonConfig(
            self.file,
            settings,
            state_folder,
            tuple(plugins),
            warnings,
            is_default=self.is_default,
        )

    def _plugins(self, sections: dict[str, YAMLValue], catalog: Catalog) -> list[ConfiguredPlugin]:
        if not sections:
            self._warn(("plugins",), "no plugin is named, so events go nowhere")

        if len(sections) > MAX_PLUGINS:
            self._report(("plugins",), f"{len(sections):,} plugins, at most {MAX_PLUGINS:,}")
            return []

        for name in catalog.unknown_limits:
            self._warn(("plugins",), f"{LIMIT_VARIABLE} names '{name}', which is not installed")

        plugins: list[ConfiguredPlugin] = []
        for name, section in sections.items():
            plugin = self._plugin(name, section, catalog)
            if plugin is None:
                continue

            twins = [other.name for other in plugins if other.plugin.target is plugin.plugin.target]
            if plugin.plugin.is_module and twins:
                self._report(
                    ("plugins", name), f"this is the same module as '{twins[0]}', and can run once"
                )

            plugins.append(plugin)

        return plugins

    def _plugin(self, name: str, section: YAMLValue, catalog: Catalog) -> ConfiguredPlugin | None:
        path = ("plugins", name)
        if not is_name(name):
            self._report(path, "a plugin's name consists of letters, digits, '_', '-' and '.'")
            return None

        if not isinstance(section, dict) and section is not None:
            self._report(path, "expected keys with values below it, or nothing")
            return None

        # An empty common key counts as absent; the plugin's model decides on its own keys.
        section = section or {}
        shared = {key: section[key] for key in COMMON_KEYS if section.get(key) is not None}
        own = {key: value for key, value in section.items() if key not in COMMON_KEYS}
        common = self.validator.validate(CommonConfig, shared, path)
        use = shared.get("use", name)
        if not isinstance(use, str) or self.validator.document.has_failed((*path, "use")):
            return None

        if not catalog.allows(use):
            self._warn(path, f"skipped, because {LIMIT_VARIABLE} does not name '{use}'")
            return None

        timeout = None if common is None else common.start_timeout
        plugin = self._load(use, path, catalog, timeout or LOAD_SECONDS)
        if plugin is None:
            return None

        config = self._own_config(plugin, own, path)
        if common is None:
            return None

        return ConfiguredPlugin(
            name=name,
            plugin=plugin,
            config=config,
            mailbox_size=common.mailbox.size,
            when_full=common.mailbox.when_full,
            hook_timeout=common.hook_timeout,
            start_timeout=common.start_timeout,
            place=f"{self._place(path)}: plugins.{name}",
            places={key: self._place((*path, key)) for key in section},
        )

    def _place(self, path: KeyPath) -> str:
        return str(self.validator.document.position(path, key=True))

    def _load(
        self, use: str, path: KeyPath, catalog: Catalog, timeout: float
    ) -> LoadedPlugin | None:
        named = (*path, "use") if use != path[-1] else path
        try:
            plugin = catalog.load(use, timeout=timeout if self.is_bounded else None)
        except PluginNotFound as error:
            # A folder that cannot be read is reported already, and may have it.
            if self.is_catalog_whole:
                self._report(named, error.reason)

            return None
        except PluginLoadError as error:
            self._report(named, f"the plugin {error.reason}")
            return None

        if plugin.is_module and use != path[-1]:
            message = (
                f"'{use}' is a module, which runs once and under its own name: no 'use' for it"
            )
            self._report(named, message)

        if not plugin.hooks:
            self._warn(path, "the plugin implements no hook: is @hookimpl missing?")

        return plugin

    def _own_config(
        self, plugin: LoadedPlugin, data: dict[str, YAMLValue], path: KeyPath
    ) -> BaseModel | None:
        if plugin.config_class is not None:
            return self._validate(plugin.config_class, data, path)

        for key in data:
            hint = did_you_mean(key, COMMON_KEYS) or ": this plugin has no keys of its own"
            self._report((*path, key), f"unknown key{hint}")

        return None

    def _validate(
        self, model: type[BaseModel], data: dict[str, YAMLValue], path: KeyPath
    ) -> BaseModel | None:
        validate = partial(self.validator.validate, model, data, path, also=COMMON_KEYS)
        if not self.is_bounded:
            return validate()

        try:
            what = f"checking the configuration of the plugin '{path[-1]}'"
            return call_within(validate, LOAD_SECONDS, what)
        except TimeoutError as error:
            self._report(path, f"cannot be checked: {error}")
            return None

    def _with_folder(self, catalog: Catalog, top: Mapping[str, YAMLValue]) -> Catalog:
        # Not from the settings: if another one is wrong, the plugins are still checked.
        text = top.get("plugins_folder")
        if text is None:
            return catalog

        self.is_catalog_whole = False
        if not isinstance(text, str) or self.validator.document.has_failed(("plugins_folder",)):
            return catalog

        try:
            folder = resolve_path(self.validator.document.folder, text)
        except RuntimeError:
            return catalog

        if not folder.is_dir():
            self.validator.document.report(("plugins_folder",), f"there is no folder {folder}")
            return catalog

        self.is_catalog_whole = True
        return catalog.with_folder(folder)

    def _state_folder(self, settings: Settings | None) -> Path | None:
        if settings is None or settings.state_folder is not None:
            return settings.state_folder if settings is not None else None

        try:
            from platformdirs import user_state_path  # comes with the extra "daemon"
        except ImportError as error:
            self._report(("state_folder",), f"give a folder: {install_hint(error) or error}")
            return None

        identity = hashlib.sha256(bytes(self.file.resolve())).hexdigest()[:8]
        base = user_state_path("lanrage-events", appauthor=False)
        return base / f"{self.file.stem}-{identity}"

    def _report(self, path: KeyPath, message: str) -> None:
        self.validator.document.report(path, message, key=True)

    def _warn(self, path: KeyPath, message: str) -> None:
        position = self.validator.document.position(path, key=True)
        self.warnings.append(Problem(position, with_path(path, message)))
