"""Finding plugins: entry points and single files."""

from __future__ import annotations

from .catalog import COMMON_KEYS as COMMON_KEYS
from .catalog import LIMIT_VARIABLE as LIMIT_VARIABLE
from .catalog import NAME_PATTERN as NAME_PATTERN
from .catalog import Catalog as Catalog
from .catalog import LoadedPlugin as LoadedPlugin
from .catalog import PluginInfo as PluginInfo
from .catalog import PluginSource as PluginSource
from .catalog import hooks_of as hooks_of
from .catalog import is_name as is_name
from .catalog import model_keys as model_keys
from .entry_points import COMMANDS_GROUP as COMMANDS_GROUP
from .entry_points import PLUGINS_GROUP as PLUGINS_GROUP
from .entry_points import PluginCommand as PluginCommand
from .entry_points import PluginEntryPoint as PluginEntryPoint
from .entry_points import installed as installed
from .entry_points import plugin_commands as plugin_commands
from .files import import_file as import_file
