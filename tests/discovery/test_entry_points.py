from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lanrage_events._discovery import (
    COMMANDS_GROUP,
    PLUGINS_GROUP,
    PluginCommand,
    PluginEntryPoint,
    UnreadableDistribution,
    installed,
    plugin_commands,
)

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that writes the metadata of a distribution to a folder on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(
        folder: str, entry_points: str | None, metadata: str | None = "Name: {name}\nVersion: 1.0"
    ) -> Path:
        info = tmp_path / f"{folder}-1.0.dist-info"
        info.mkdir()
        if metadata is not None:
            text = "Metadata-Version: 2.4\n" + metadata.format(name=folder.replace("_", "-"))
            (info / "METADATA").write_text(text, encoding="utf-8")

        if entry_points is not None:
            (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")

        return info

    return install


def commands_of(*distributions: str | None) -> list[PluginCommand]:
    return [item for item in plugin_commands() if item.origin.distribution in distributions]


def test_commands_are_listed_without_importing_them(install: Install) -> None:
    install(
        "tools_dist",
        "[lanrage_events.commands]\nshout = no_such_module.inner:Group.shout\nask = tools:ask\n",
    )
    assert [(command.name, command.target) for command in commands_of("tools-dist")] == [
        ("ask", "tools:ask"),
        ("shout", "no_such_module.inner:Group.shout"),
    ]
    assert "tools" not in sys.modules


def test_a_command_that_two_distributions_bring_cannot_be_used(install: Install) -> None:
    install("first_dist", "[lanrage_events.commands]\nshout = a:b\nown = a:own\n")
    install("second_dist", "[lanrage_events.commands]\nshout = c:d\n")
    commands = commands_of("first-dist", "second-dist")
    assert [(command.name, command.origin.distribution) for command in commands] == [
        ("own", "first-dist"),
        ("shout", "first-dist"),
        ("shout", "second-dist"),
    ]
    assert commands[0].problem == ""
    for command in commands[1:]:
        assert command.problem.startswith("several distributions bring it: ")
        assert command.problem.count("first-dist 1.0") == 1
        assert command.problem.count("second-dist 1.0") == 1


@pytest.mark.parametrize("target", ["module", "module:", ":function", "not a target", "a:b c"])
def test_a_command_that_is_no_function_cannot_be_used(install: Install, target: str) -> None:
    install("odd_dist", f"[lanrage_events.commands]\nodd = {target}\n")
    (command,) = commands_of("odd-dist")
    assert command.problem == f"'{target}' is not of the form 'module:function'"


def test_a_distribution_without_metadata_is_not_in_the_way(install: Install) -> None:
    install("bare_dist", "[lanrage_events.commands]\nbare = bare:bare\n", metadata=None)
    (command,) = [command for command in plugin_commands() if command.name == "bare"]
    assert (command.origin.distribution, command.origin.version) == (None, None)
    assert command.problem == ""


def test_a_distribution_with_garbled_metadata_is_not_in_the_way(install: Install) -> None:
    info = install("garbled_dist", "[lanrage_events.commands]\ngarbled = a:b\n")
    (info / "METADATA").write_bytes(b"Name: garbled-dist\n\xff")
    (command,) = [command for command in plugin_commands() if command.name == "garbled"]
    assert (command.origin.distribution, command.problem) == (None, "")


def test_a_distribution_in_a_folder_of_another_name_is_found(install: Install) -> None:
    install("folder", "[lanrage_events]\nodd = odd\n", metadata="Name: other-name\nVersion: 2")
    offers = [offer for offer in installed(PLUGINS_GROUP) if isinstance(offer, PluginEntryPoint)]
    (offer,) = [offer for offer in offers if offer.distribution == "other-name"]
    assert str(offer) == "other-name 2"


def test_an_offer_is_shown_with_what_is_known() -> None:
    (entry_point,) = entry_points(group=PLUGINS_GROUP, name="discord")
    assert str(PluginEntryPoint(entry_point, "x", "1")) == "x 1"
    assert str(PluginEntryPoint(entry_point, "x", None)) == "x"
    assert str(PluginEntryPoint(entry_point, None, None)) == "an unnamed distribution"


def test_only_lists_that_name_us_can_be_unreadable(install: Install) -> None:
    install("ours", "[lanrage_events]\nno equals sign\n")
    install("theirs", "[other]\nno equals sign\n")
    install("none", None)
    binary = install("binary", None)
    (binary / "entry_points.txt").write_bytes(b"\xff\xfe")
    for group in (PLUGINS_GROUP, COMMANDS_GROUP):
        broken = [item for item in installed(group) if isinstance(item, UnreadableDistribution)]
        assert [item.distribution for item in broken] == ["ours"]

    assert commands_of("ours") == []


def test_a_line_that_stands_twice_counts_once(install: Install) -> None:
    install("twin_dist", "[lanrage_events.commands]\nx = a:b\nx = a:b\n")
    (command,) = commands_of("twin-dist")
    assert command.problem == ""
