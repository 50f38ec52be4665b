"""Plugins that are single files of a folder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
import traceback
from contextlib import AbstractContextManager
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from .._files import read_file

_MAX_BYTES = 5_000_000
_LOCKS: dict[str, AbstractContextManager[bool]] = {}


def plugin_files(folder: Path) -> list[Path]:
    """Return the plugins of a folder, without its subfolders: each ``*.py`` that is not private."""
    return sorted(
        path
        for path in folder.glob("*.py")
        if path.is_file() and not path.name.startswith(("_", "."))
    )


def import_file(path: Path) -> ModuleType:
    """Import a single file as a module, without reading or writing a cache of bytecode.

    A file that was imported before and has not changed returns the same module. If another thread
    imports it just now, this one waits for that.

    :raises OSError: if it cannot be read
    """
    source = read_file(path, _MAX_BYTES)
    identity = hashlib.sha256(
        b"\0".join((os.fsencode(os.path.realpath(path)), source))
    ).hexdigest()[:12]
    name = f"lanrage_events_plugins_folder_{_identifier(path.stem)}_{identity}"
    with _LOCKS.setdefault(name, threading.RLock()):
        return sys.modules.get(name) or _import_source(name, path, source)


def _import_source(name: str, path: Path, source: bytes) -> ModuleType:
    loader = _UncachedLoader(name, str(path), source)
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    # Data classes and pydantic look for the module of a class there.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise

    return module


def place_of(error: BaseException, path: Path) -> str:
    """Return the line of a file that an error comes from, as ``file:line``, or the file alone."""
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        return f"{path}:{error.lineno}"

    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


class _UncachedLoader(SourceFileLoader):
    """Reads no cache, which Python trusts if size and second match, even after a quick edit."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source, self.get_filename(fullname))


def _identifier(text: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in text)
