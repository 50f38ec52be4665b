"""The Discord plugin of a configuration, which does not run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lanrage_events import EventBus
from lanrage_events.cli import did_you_mean
from lanrage_events.config import load_bus
from lanrage_events.templates import TemplateError

from .._config import DiscordConfig, RouteConfig, WebhookConfig
from .._plugin import DiscordPlugin
from .._rendering import Renderer
from .._routing import ThreadNames
from .._setup import Settings, find_routes, find_webhooks, state_file


@dataclass(frozen=True)
class ConfiguredPlugin:
    """A Discord plugin with its bus, neither of them started."""

    name: str
    """of its section in the configuration"""
    plugin: DiscordPlugin
    bus: EventBus

    @property
    def config(self) -> DiscordConfig:
        """Its configuration."""
        return self.plugin.config

    @cached_property
    def settings(self) -> Settings:
        """What was saved on the setup page."""
        return Settings(self.state_file("settings.json"), read_only=True)

    @cached_property
    def webhooks(self) -> Mapping[str, WebhookConfig]:
        """Its webhooks by name, those of the setup page among them."""
        return find_webhooks(self.config, self.settings)

    @cached_property
    def routes(self) -> tuple[RouteConfig, ...]:
        """The routes of the configuration; without any, what was chosen on the setup page."""
        return find_routes(self.config, self.settings, tuple(self.webhooks))

    @cached_property
    def thread_names(self) -> ThreadNames:
        """What names the threads that events are posted in."""
        return ThreadNames(self.config, self.bus, lambda _: None)

    @property
    def invite_url(self) -> str | None:
        """The invite that templates show."""
        return self.config.invite_url or self.settings.invite_url

    def make_renderer(self, problems: list[TemplateError]) -> Renderer:
        """Return a renderer with the templates of the bus.

        :param problems: gets each error in a template, once
        """
        return Renderer(
            self.bus.template_folders(), invite_url=lambda: self.invite_url, report=problems.append
        )

    def state_file(self, suffix: str) -> Path | None:
        """Return one of the files that it keeps, None without a state folder."""
        return state_file(self.bus, self.name, suffix)

    def place(self, key: str) -> str:
        """Return where a key of its section stands, or its name if it is in no file.

        :param key: such as ``routes.0``
        """
        place = self.bus.plugins.source_location(self.name, key)
        path = f"plugins.{self.name}.{key}"
        return f"{place}: {path}" if place else path


def find_plugin(file: Path | None, name: str | None) -> ConfiguredPlugin:
    """Load a configuration and return its Discord plugin.

    :param file: the configuration; None for the default one, or what runs without one
    :param name: the name of its section, if there are several
    :raises ConfigError: if the configuration is wrong
    :raises LookupError: if there is no such plugin, or there are several
    """
    bus = load_bus(file, as_run=True)
    plugins = {
        known: plugin for known, plugin in bus.plugins.items() if isinstance(plugin, DiscordPlugin)
    }
    names = ", ".join(plugins)
    if name is not None and name not in plugins:
        hint = did_you_mean(name, plugins)
        raise LookupError(f"no plugin '{name}' posts to Discord, known: {names or 'none'}{hint}")

    if not plugins:
        raise LookupError("the configuration has no plugin that posts to Discord: add 'discord:'")

    if name is None and len(plugins) > 1:
        raise LookupError(f"several plugins post to Discord, choose one with --plugin: {names}")

    chosen = name or next(iter(plugins))
    return ConfiguredPlugin(chosen, plugins[chosen], bus)
