from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanrage_events import EventBus
from lanrage_events_logfile import LogfileConfig, LogfilePlugin, preset_names
from lanrage_events_logfile.commands import logfile_test

PAGE = (Path(__file__).parents[3] / "docs" / "logfile.md").read_text("utf-8")


def documented_configurations() -> list[dict[str, Any]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block)["plugins"]["logfile"] for block in blocks]


def without_samples(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in ("poll", "files")}


@pytest.mark.parametrize("settings", documented_configurations()[:-1])
def test_every_configuration_on_the_page_is_without_problems(settings: dict[str, Any]) -> None:
    bus = EventBus()
    bus.register(LogfilePlugin(LogfileConfig.model_validate(settings)))

    assert bus.plugins.validate() == []


def test_the_page_has_every_key() -> None:
    complete = documented_configurations()[-1]

    assert set(complete) == set(LogfileConfig.model_fields)
    LogfileConfig.model_validate(without_samples(complete))


LINES = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
LOGS = re.findall(r"^\| `(\w+)` \| (?:`[^`]+`|[^|`]+)[^|]* \| [^|]+ \|$", PAGE, re.MULTILINE)


def test_the_page_has_every_preset_and_a_line_of_each() -> None:
    assert sorted(LOGS) == sorted(name for name, _ in LINES) == sorted(preset_names())


@pytest.mark.parametrize(("preset", "line"), LINES)
def test_the_line_of_each_preset_is_a_join(
    preset: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"{line}\n", "utf-8")

    assert logfile_test(preset, log) == 0
    assert 'peer_joined  peer_name="Ann"' in capsys.readouterr().out
