from __future__ import annotations

import re
from pathlib import Path

import yaml

from lanrage_events_log import LogConfig

PAGE = Path(__file__).parents[3] / "docs" / "log.md"
KEYS_OF_EVERY_PLUGIN = {"use", "mailbox", "hook_timeout", "start_timeout"}


def documented_configurations() -> list[dict[str, object]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    plugins = [yaml.safe_load(block)["plugins"] for block in blocks]
    return [settings for block in plugins for settings in block.values()]


def test_every_configuration_on_the_page_is_valid() -> None:
    configurations = documented_configurations()

    assert len(configurations) >= 4
    for settings in configurations:
        own = {key: value for key, value in settings.items() if key not in KEYS_OF_EVERY_PLUGIN}
        LogConfig.model_validate(own)


def test_the_page_has_every_key_with_its_default() -> None:
    complete = max(documented_configurations(), key=len)

    assert set(complete) == set(LogConfig.model_fields)
    assert LogConfig.model_validate(complete | {"path": None}) == LogConfig()
