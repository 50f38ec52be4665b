"""The check of a configuration file, from its YAML to its plugins."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from .._discovery import COMMON_KEYS, LIMIT_VARIABLE, Catalog, LoadedPlugin, is_name
from .._exceptions import PluginLoadError, PluginNotFound, format_error
from .._hints import did_you_mean, install_hint
from .._redaction import Redactor
from .._threads import call_within
from ..yaml import Document, KeyPath, YAMLValue, parse, read
from ._draft import Draft, PartialPlugin
from ._expansion import expand
from ._introspection import example_at
from ._models import CommonConfig, ConfiguredPlugin, DaemonConfig, Settings
from ._repair import Repair
from ._rules import NO_RULE, ConfiguredRules, RuleConfig
from ._types import resolve_path
from ._validation import Validator, value_at

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_FILE = Path("lanrage.yaml")
OTHER_DEFAULT_FILE = Path("lanrage.yml")
"""read if there is no :data:`DEFAULT_FILE`"""
LOAD_SECONDS = 30.0
"""how long a plugin may take to be imported, and to check its part of the file"""
MAX_PLUGINS = 1000

# What a LAN host needs to begin: a page to paste a webhook's URL into, the plugin that posts to it, and
# who is on. The variables are for a port that is in use, and for proxies and tests instead of Discord.
DEFAULT_SOURCE = b"""\
plugins:
  http: {port: "${LANRAGE_EVENTS_PORT:-8666}"}
  discord: {allow_hosts: ["${LANRAGE_EVENTS_DISCORD_HOST:-discord.com}"]}
  parties:
"""


def identity_of(file: Path) -> str:
    """Return a name for a configuration file that no other file on this machine has.

    :param file: it need not exist
    """
    return f"{file.stem}-{hashlib.sha256(os.fsencode(os.path.realpath(file))).hexdigest()[:8]}"


def default_file() -> Path:
    """Return the configuration that is used if none is named, whether it exists or not."""
    is_other = OTHER_DEFAULT_FILE.exists() and not DEFAULT_FILE.exists()
    return OTHER_DEFAULT_FILE if is_other else DEFAULT_FILE


def load_config(
    file: Path | None,
    catalog: Catalog | None = None,
    *,
    redactor: Redactor | None = None,
    environment: Mapping[str, str] = os.environ,
    bounded: bool = False,
    as_daemon: bool = False,
    on_settings: Callable[[Settings], object] = lambda settings: None,
) -> DaemonConfig:
    """Read a configuration file and check all of it.

    Its plugins are imported, but not created, and no file or folder is created.

    :param file: the YAML file; None for ``lanrage.yaml`` or ``lanrage.yml`` in this folder or, if
        there is none, the plugins ``http``, ``discord`` and ``parties`` with their defaults
    :param catalog: the available plugins; default: what is installed
    :param redactor: learns every secret of the file before any message about it
    :param environment: where ``${NAME}`` is looked up
    :param bounded: whether a plugin that takes too long is reported; its module is then imported,
        and its part of the file checked, in a thread of its own
    :param as_daemon: whether a package that the daemon needs for it and that is missing is an error
    :param on_settings: called with the keys at the top, as far as they are right, before any plugin
        is imported
    :raises ConfigError: with everything that is wrong
    """
    redactor = redactor or Redactor()
    return read_config(
        file,
        catalog,
        redactor=redactor,
        environment=environment,
        bounded=bounded,
        as_daemon=as_daemon,
        on_settings=on_settings,
    ).config()


def read_config(
    file: Path | None,
    catalog: Catalog | None = None,
    *,
    redactor: Redactor,
    environment: Mapping[str, str] = os.environ,
    bounded: bool = False,
    as_daemon: bool = False,
    on_settings: Callable[[Settings], object] = lambda settings: None,
) -> Draft:
    """Read a configuration file, and everything that is wrong with it; as :func:`load_config`."""
    if catalog is None:
        catalog = Catalog.discover(environment=environment)

    document, path, is_default = _open(file)
    draft = _make_draft(document, path, redactor, environment, is_default=is_default)
    _Checker(draft, bounded).check(catalog, on_settings)
    if as_daemon and draft.settings is not None:
        _check_packages(draft, draft.settings)

    return draft


def _check_packages(draft: Draft, settings: Settings) -> None:
    needed: list[tuple[str, str, str]] = [
        ("backend", settings.backend, f"'{settings.backend}' cannot be used")
    ]
    if settings.watch:
        needed.append(("watch", "watchfiles", "the file cannot be watched"))

    for key, package, problem in needed:
        try:
            importlib.import_module(package)
        except ImportError as error:
            reason = install_hint(error) or format_error(error)
            draft.validator.document.report((key,), f"{problem}: {reason}")


def find_state_folder(file: Path | None, *, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the state folder of a configuration file, whatever else is wrong with the file.

    :param file: as for :func:`load_config`
    :param environment: where ``${NAME}`` is looked up
    :raises ConfigError: if the file cannot be read, or its key ``state_folder`` is wrong
    """
    document, path, is_default = _open(file)
    if isinstance(document.data, dict) and not document.has_failed(("state_folder",)):
        document.problems.clear()
        document.data = {k: v for k, v in document.data.items() if k == "state_folder" and v}

    draft = _make_draft(document, path, Redactor(), environment, is_default=is_default)
    if not document.problems:
        _Checker(draft).set_state_folder(document.data)

    if draft.state_folder is None or document.problems:
        raise draft.validator.error()

    return draft.state_folder


def check_config(
    document: Document,
    catalog: Catalog,
    *,
    redactor: Redactor,
    environment: Mapping[str, str],
    file: Path,
) -> DaemonConfig:
    """Turn a document into a configuration.

    :param document: changed in place
    :param file: the state folder is named after it
    :raises ConfigError: with everything that is wrong
    """
    draft = _make_draft(document, file, redactor, environment)
    _Checker(draft).check(catalog)
    return draft.config()


def _open(file: Path | None) -> tuple[Document, Path, bool]:
    """Return the document of a file, the file, and whether it is the built-in configuration."""
    path = default_file() if file is None else file
    is_default = file is None and not path.exists()
    document = parse(DEFAULT_SOURCE, f"(no {path})") if is_default else read(path)
    return document, path, is_default


def _make_draft(
    document: Document,
    file: Path,
    redactor: Redactor,
    environment: Mapping[str, str],
    *,
    is_default: bool = False,
) -> Draft:
    """Return the draft of a document, in which all placeholders are replaced."""
    files: list[Path] = []
    parts = expand(document, environment, redactor, files)
    return Draft(Validator(document, redactor, parts), file, is_default, tuple(files))


@dataclass(slots=True)
class _Checker:
    """Fills the draft of one document, and collects what is wrong with it."""

    draft: Draft
    is_bounded: bool = False
    is_catalog_whole: bool = True

    @property
    def validator(self) -> Validator:
        return self.draft.validator

    def check(
        self,
        catalog: Catalog,
        on_settings: Callable[[Settings], object] = lambda settings: None,
    ) -> None:
        data = self.validator.document.data
        if data is None and self.validator.document.problems:
            return  # more errors would only confuse

        if not isinstance(data, dict) and data is not None:
            self.draft.report((), "expected keys with values at the top, such as 'plugins:'")
            return

        # An empty key counts as absent.
        top = {key: value for key, value in (data or {}).items() if value is not None}
        sections = top.pop("plugins", {})
        on_settings(self._settings(top))
        file = self.draft.file
        if file == DEFAULT_FILE and OTHER_DEFAULT_FILE.exists() and not self.draft.is_default:
            self.draft.warn((), f"{OTHER_DEFAULT_FILE} is not read, because there is {file}, too")

        if data is None or "plugins" not in data:
            self.draft.report(("plugins",), "required, but missing: it names the plugins to run")
        elif isinstance(sections, dict):
            self._plugins(sections, self._with_folder(catalog, top))
        else:
            self.draft.report(("plugins",), "expected the names of plugins as keys, such as 'log:'")

    def _settings(self, top: Mapping[str, YAMLValue]) -> Settings:
        settings = self.validator.validate(Settings, top, also=("plugins",))
        if settings is not None:
            self.draft.rules = ConfiguredRules(settings.rules, self.validator.document)
        else:
            raw = top.get("rules")
            rules = tuple(map(self._rule, raw if isinstance(raw, list) else ()))
            self.draft.rules = ConfiguredRules(rules, self.validator.document)
            repaired = self._repair(Settings, top, ()).values()
            if repaired is not None and isinstance(repaired.config, Settings):
                settings = repaired.config

        self.draft.settings = settings or Settings()
        self.draft.state_folder = self._state_folder(self.draft.settings)
        for index, folder in enumerate(self.draft.settings.templates):
            problem = _template_folder_problem(folder) if isinstance(folder, Path) else ""
            if problem:
                self.draft.unusable_folders.add(str(folder))
                self.draft.warn(("templates", index), problem, key=False)

        return self.draft.settings

    def _rule(self, raw: YAMLValue) -> RuleConfig:
        """Return a rule, so that it is checked although others have errors, too."""
        try:
            return self.validator.make(RuleConfig, raw)
        except ValidationError:
            return NO_RULE

    def set_state_folder(self, top: YAMLValue) -> None:
        """Find only the state folder.

        :param top: the keys at the top of the file
        """
        settings = self.validator.validate(Settings, top, also=("plugins",))
        if settings is not None:
            self.draft.state_folder = self._state_folder(settings)

    def _plugins(self, sections: dict[str, YAMLValue], catalog: Catalog) -> None:
        self.draft.sections = tuple(sections)
        if not sections:
            self.draft.warn(("plugins",), "no plugin is named, so events go nowhere")

        if len(sections) > MAX_PLUGINS:
            message = f"{len(sections):,} plugins, at most {MAX_PLUGINS:,}"
            self.draft.report(("plugins",), message)
            return

        for name in catalog.unknown_limits:
            self.draft.warn(
                ("plugins",), f"{LIMIT_VARIABLE} names '{name}', which is not installed"
            )

        modules: dict[int, str] = {}
        for name, section in sections.items():
            plugin = self._plugin(name, section, catalog)
            if plugin is None or not plugin.is_module:
                continue

            first = modules.setdefault(id(plugin.target), name)
            if first != name:
                message = f"this is the same module as '{first}', and can run once"
                self.draft.report(("plugins", name), message)

    def _plugin(self, name: str, section: YAMLValue, catalog: Catalog) -> LoadedPlugin | None:
        """Add the plugin of a section to the draft, and return it as it was imported."""
        path = ("plugins", name)
        if not is_name(name):
            message = "a plugin's name consists of letters, digits, '_', '-' and '.'"
            self.draft.report(path, message)
            return None

        if not isinstance(section, dict) and section is not None:
            hint = "expected keys with values below it, or nothing"
            if name in Settings.model_fields:
                hint += f"; '{name}' belongs at the top of the file, not below 'plugins'"

            self.draft.report(path, hint)
            return None

        # An empty common key counts as absent; the plugin's model decides on its own keys.
        section = section or {}
        shared = {key: section[key] for key in COMMON_KEYS if section.get(key) is not None}
        own = {key: value for key, value in section.items() if key not in COMMON_KEYS}
        common = self.validator.validate(CommonConfig, shared, path)
        use = shared.get("use", name)
        if not isinstance(use, str) or self.validator.document.has_failed((*path, "use")):
            return None

        if not catalog.allows(use) and catalog.requires_transform(use):
            message = (
                f"{LIMIT_VARIABLE} does not name '{use}', whose transform is required, so that events would "
                "pass without it: name it there, too, or remove this section"
            )
            self.draft.report(path, message)
            return None

        if not catalog.allows(use):
            self.draft.warn(path, f"skipped, because {LIMIT_VARIABLE} does not name '{use}'")
            return None

        timeout = None if common is None else common.start_timeout
        plugin = self._load(use, path, catalog, timeout or LOAD_SECONDS)
        if plugin is None:
            return None

        before = len(self.validator.document.problems)
        config = self._own_config(plugin, own, path)
        settings = common or CommonConfig()
        configured = ConfiguredPlugin(
            name=name,
            plugin=plugin,
            config=config,
            mailbox_size=settings.mailbox.size,
            when_full=settings.mailbox.when_full,
            hook_timeout=settings.hook_timeout,
            start_timeout=settings.start_timeout,
            place=f"{self._place(path)}: plugins.{name}",
            places=dict(self._places(section, path)),
            document=self.validator.document,
        )
        document = self.validator.document
        is_right = len(document.problems) == before and common is not None
        if is_right and not any(failed[: len(path)] == path for failed in document.failed):
            self.draft.plugins.append(configured)
        else:
            model = plugin.config_class
            repair = None if model is None else self._repair(model, own, path)
            self.draft.partial.append(PartialPlugin(configured, repair))

        return plugin

    def _repair(
        self, model: type[BaseModel], data: Mapping[str, YAMLValue], path: KeyPath
    ) -> Repair:
        failed = self.validator.document.failed
        omitted = frozenset(p[len(path) :] for p in failed if p[: len(path)] == path)
        return Repair(
            partial(self.validator.make, model), partial(example_at, model), data, omitted
        )

    def _places(self, section: YAMLValue, path: KeyPath) -> Iterator[tuple[str, str]]:
        """Yield the position of each key and item, by its path below the plugin's name."""
        below: Iterable[str | int] = ()
        if isinstance(section, dict):
            below = section
        elif isinstance(section, list):
            below = range(len(section))

        for key in below:
            inner = (*path, key)
            yield ".".join(map(str, inner[2:])), self._place(inner)
            yield from self._places(value_at(section, (key,)), inner)

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
                self.draft.report(named, error.reason)

            return None
        except PluginLoadError as error:
            self.draft.report(named, f"the plugin {error.reason}")
            return None

        if plugin.is_module and use != path[-1]:
            message = (
                f"'{use}' is a module, which runs once and under its own name: no 'use' for it"
            )
            self.draft.report(named, message)

        if not plugin.hooks:
            self.draft.warn(path, "the plugin implements no hook: is @hookimpl missing?")

        return plugin

    def _own_config(
        self, plugin: LoadedPlugin, data: dict[str, YAMLValue], path: KeyPath
    ) -> BaseModel | None:
        if plugin.config_class is not None:
            return self._validate(plugin.config_class, data, path)

        for key in data:
            hint = did_you_mean(key, COMMON_KEYS) or ": this plugin has no keys of its own"
            self.draft.report((*path, key), f"unknown key{hint}")

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
            self.draft.report(path, f"cannot be checked: {error}")
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

    def _state_folder(self, settings: Settings) -> Path | None:
        if settings.state_folder is not None:
            return settings.state_folder

        try:
            from platformdirs import user_state_path  # comes with the extra "daemon"
        except ImportError as error:
            message = f"give a folder: {install_hint(error) or error}"
            self.draft.report(("state_folder",), message)
            return None

        file = self.draft.file
        try:
            base = user_state_path("lanrage-events", appauthor=False)
        except RuntimeError:  # as in many containers
            # One that is wrong is reported already.
            if value_at(self.validator.document.data, ("state_folder",)) is None:
                self.draft.report(("state_folder",), self._without_home())

            return None

        folder = base / identity_of(file)
        if file.name == OTHER_DEFAULT_FILE.name and not folder.exists():
            # What was saved on the setup page before there was a file is there, too.
            return base / identity_of(file.with_name(DEFAULT_FILE.name))

        return folder

    def _without_home(self) -> str:
        why = "the user who runs this has no home folder"
        if not self.draft.is_default:
            return f"give a folder that is kept, such as /var/lib/lanrage-events: {why}"

        file = self.draft.file
        return f"{why}: write a {file} that has the key state_folder, or set XDG_STATE_HOME"


def _template_folder_problem(folder: Path) -> str:
    """Return why a folder can hold no template, empty if it can."""
    try:
        if not folder.exists():
            return f"there is no folder {folder}, so no template of it is used"

        if not folder.is_dir():
            return f"{folder} is a file: name the folder that 'discord/' is in"

        if not any(inner.is_dir() or inner.name == "words.yaml" for inner in folder.iterdir()):
            return f"{folder} has no folder of templates, such as 'discord', so none of it is used"
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror or error}"

    return ""
