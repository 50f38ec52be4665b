"""The discovery of plugins: entry points and single files."""

from __future__ import annotations

from .catalog import (
    COMMON_KEYS,
    LIMIT_VARIABLE,
    NAME_PATTERN,
    Catalog,
    LoadedPlugin,
    PluginInfo,
    PluginSource,
    examine,
    hooks_of,
    is_name,
    model_keys,
)
from .entry_points import (
    COMMANDS_GROUP,
    PLUGINS_GROUP,
    PluginCommand,
    PluginEntryPoint,
    UnreadableDistribution,
    installed,
    plugin_commands,
)
from .files import import_file, place_of, plugin_files
