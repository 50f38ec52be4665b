from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from lanrage_events import PluginLoadError
from lanrage_events._discovery import Catalog, LoadedPlugin

HEAD = """\
from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel
"""
HOOK = """\
    @hookimpl
    def peer_joined(self, event): pass
"""
TAKES = """\
    def __init__(self, config): self.config = config
"""
CONFIG = """\
class Config(ConfigModel):
    greeting: str = "Hello"
"""
NESTED = """\
    class Config(ConfigModel):
        greeting: str = "Moin"
"""


def load(folder: Path, text: str) -> LoadedPlugin:
    file = folder / "greeter.py"
    file.write_text(HEAD + dedent(text), encoding="utf-8")
    return Catalog.discover(folder, environment={}).load("greeter")


def problem(folder: Path, text: str) -> str:
    with pytest.raises(PluginLoadError) as caught:
        load(folder, text)

    return caught.value.reason.replace(str(folder), "FOLDER")


@pytest.mark.parametrize(
    ("text", "name", "greeting"),
    [
        (f"class Greeter:\n{HOOK}", "Greeter", None),
        (f"class Greeter:\n{NESTED}{TAKES}{HOOK}", "Greeter", "Moin"),
        (f"{CONFIG}class Greeter:\n{TAKES}{HOOK}", "Greeter", "Hello"),
        (f"{CONFIG}class Greeter:\n{NESTED}{TAKES}{HOOK}", "Greeter", "Moin"),
        (f"{CONFIG}class Plugin:\n{TAKES}{HOOK}", "Plugin", "Hello"),
        (f"class Other:\n{HOOK}class Plugin:\n{HOOK}", "Plugin", None),
        (f"class _Base:\n{HOOK}class Greeter(_Base): pass", "Greeter", None),
        (f"class Base:\n{HOOK}class Greeter(Base): pass", "Greeter", None),
        (f"class Greeter:\n{HOOK}class Helper:\n    pass", "Greeter", None),
    ],
)
def test_the_class_of_a_file_is_its_plugin(
    tmp_path: Path, text: str, name: str, greeting: str | None
) -> None:
    loaded = load(tmp_path, text)
    assert not loaded.is_module
    assert (loaded.target.__name__, loaded.hooks) == (name, ("peer_joined",))
    config = None if loaded.config_class is None else loaded.config_class()
    assert getattr(config, "greeting", None) == greeting
    plugin = loaded.make(config)
    assert type(plugin).__name__ == name
    assert getattr(plugin, "config", None) is config


@pytest.mark.parametrize(
    "text",
    [
        "@hookimpl\ndef peer_joined(event): pass",
        f"@hookimpl\ndef peer_joined(event): pass\nclass _Helper:\n{HOOK}",
        "from lanrage_events.config import ConfigModel as Config2\n@hookimpl\ndef event(event): pass",
    ],
)
def test_functions_make_a_module_the_plugin(tmp_path: Path, text: str) -> None:
    loaded = load(tmp_path, text)
    assert loaded.is_module
    assert loaded.config_class is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"class One:\n{HOOK}class Two:\n{HOOK}",
            (
                "has several classes with hooks, One and Two: name the one to run 'Plugin', or begin the "
                "names of the others with '_' (the file FOLDER/greeter.py)"
            ),
        ),
        (
            f"@hookimpl\ndef event(event): pass\nclass Greeter:\n{HOOK}",
            (
                "has hooks beside its class Greeter (event): move them into it "
                "(the file FOLDER/greeter.py)"
            ),
        ),
        (
            f"{CONFIG}@hookimpl\ndef event(event): pass",
            (
                "has a Config, but only hook functions, which take no settings: move them into a class "
                "(the file FOLDER/greeter.py)"
            ),
        ),
        (
            f"class Config:\n    pass\nclass Greeter:\n{TAKES}{HOOK}",
            (
                "has a Config that is not a pydantic model: derive it from ConfigModel "
                "(the file FOLDER/greeter.py)"
            ),
        ),
        (
            f"{CONFIG}class Greeter:\n{HOOK}",
            (
                "has a Config, which its class Greeter does not take: write 'def __init__(self, config: "
                "Config) -> None' (the file FOLDER/greeter.py:5)"
            ),
        ),
        (
            f"\nclass Greeter:\n{TAKES}{HOOK}",
            (
                "has the class Greeter, which takes arguments, but no Config: give it one, a pydantic "
                "model, or take no arguments (the file FOLDER/greeter.py:4)"
            ),
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_the_remedy(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert problem(tmp_path, text) == expected
