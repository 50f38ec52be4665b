from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from lanrage_events._cli.init import starter

Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)
    return tmp_path


def with_examples() -> str:
    """Return the text with each example in it used, as its first lines say."""
    return re.sub(r"^( *)#(?=\S)", r"\1", starter(), flags=re.MULTILINE)


def test_it_writes_a_configuration_that_passes_the_check(command: Command) -> None:
    code, output = command("init")
    assert code == 0
    assert output.startswith("wrote lanrage.yaml, in which comments say what you can change. Next:")
    assert Path("lanrage.yaml").read_text("utf-8") == starter()
    assert command("check", "--strict") == (
        0,
        "lanrage.yaml: all is well; plugins: http, discord, parties; backend: asyncio\n",
    )


def test_only_the_owner_can_read_it(command: Command) -> None:
    command("init")
    assert Path("lanrage.yaml").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_the_variable_sets_the_webhook(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command("init")
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "https://evil.example/api/webhooks/1/x")
    code, output = command("check")
    assert code == 78
    assert "plugins.discord.webhook_url: the webhook URL does not lead to Discord" in output


@pytest.mark.slow
def test_all_its_examples_together_pass_the_check(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_WEBHOOK_URL", "https://discord.com/api/webhooks/1234/made-up-token")
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "https://discord.com/api/webhooks/5678/made-up-token")
    log = Path("minecraft.log")
    log.touch()
    text = with_examples().replace("/srv/minecraft/logs/latest.log", str(log))
    Path("lanrage.yaml").write_text(text, "utf-8")
    data = yaml.safe_load(text)
    assert {*data} == {"templates", "state_folder", "plugins"}
    assert {*data["plugins"]} == {"http", "parties", "discord", "log", "logfile"}
    assert {*data["plugins"]["discord"]} == {
        "webhook_url", "invite_url", "webhooks", "routes", "cards", "quiet", "alerts", "max_age",
    }  # fmt: skip
    code, output = command("check")
    assert (code, output) == (
        0,
        "lanrage.yaml: all is well; plugins: http, discord, parties, log, logfile; backend: asyncio\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", [starter(), with_examples()], ids=["as written", "examples"])
def test_editors_accept_it(command: Command, text: str) -> None:
    _, schema = command("schema")
    jsonschema.validate(yaml.safe_load(text), json.loads(schema))


@pytest.mark.parametrize(("name", "words"), [("lanrage.yaml", []), ("other.yaml", ["other.yaml"])])
def test_nothing_is_overwritten(command: Command, name: str, words: list[str]) -> None:
    Path(name).write_text("mine")
    code, output = command("init", *words)
    assert code == 1
    assert output.startswith(f"lanrage-events: {name} exists, and is left as it is: ")
    assert Path(name).read_text() == "mine"


def test_a_link_to_nowhere_is_not_followed(command: Command) -> None:
    Path("lanrage.yaml").symlink_to("elsewhere")
    code, _ = command("init")
    assert code == 1
    assert not Path("elsewhere").exists()


def test_a_file_that_ends_in_yml_is_a_configuration_too(command: Command) -> None:
    Path("lanrage.yml").write_text("plugins: {}")
    code, output = command("init")
    assert code == 1
    assert "there is lanrage.yml, which is used" in output
    assert not Path("lanrage.yaml").exists()


def test_a_folder_that_does_not_exist_is_reported(command: Command) -> None:
    assert command("init", "nope/lanrage.yaml") == (
        1,
        "lanrage-events: cannot write nope/lanrage.yaml: No such file or directory\n",
    )


def test_another_name_is_part_of_the_next_steps(command: Command) -> None:
    code, output = command("init", "my lan.yaml")
    assert code == 0
    assert '  lanrage-events run "my lan.yaml" ' in output
    assert '  lanrage-events test --config "my lan.yaml" ' in output
