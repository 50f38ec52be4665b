"""The discovery of plugins: entry points and single files."""

from __future__ import annotations

from .catalog import (
    LIMIT_VARIABLE,
    NAME_PATTERN,
    Catalog,
    PluginInfo,
    is_name,
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
from .loaded import (
    COMMON_KEYS,
    LoadedPlugin,
    PluginSource,
    examine,
    hooks_of,
    model_keys,
)
