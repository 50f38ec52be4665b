from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanrage_events import EventBus
from lanrage_events_logfile import LogfileConfig, LogfilePlugin, preset_names

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


def test_the_page_has_every_preset() -> None:
    table = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert sorted(table) == sorted(preset_names())
