"""The commands about webhooks that exist or not: ``route``, ``test`` and ``check --online``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest

Command = Callable[..., tuple[int, str]]

ROUTES = """\
    max_age: {peer_joined: 10m}
    routes:
      - {events: peer_joined, where: {party_name: Red}, webhook: party, silent: true, stop: true}
      - {events: peer_left, webhook: []}
      - {events: peer_joined, webhook: [admin, default], mention: {roles: ["1234"]}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def write_config(folder: Path) -> Callable[..., None]:
    def write(*lines: str) -> None:
        section = "\n".join(["state_folder: state", "plugins:", "  discord:", *lines])
        Path("lanrage.yaml").write_text(f"{section}\n", "utf-8")

    return write


@pytest.fixture(scope="module")
def stand_in() -> Iterator[list[str]]:
    """Yield what the stand-in says is to be written into the section of the plugin."""
    words = [
        sys.executable,
        "-m",
        "lanrage_events_discord.testing",
        "admin",
        "party",
        "--port",
        "0",
    ]
    with Popen(words, stdout=PIPE, stderr=DEVNULL, encoding="utf-8") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            if not line.strip() and "  discord:" in lines:
                break

            lines.append(line.rstrip("\n"))

        yield lines[lines.index("  discord:") + 1 :]
        process.kill()


def urls_of(stand_in: list[str]) -> list[str]:
    return [line.split("'")[1] for line in stand_in if "url:" in line]


FIRST = "takes it for party and stops, so the routes below do not see it"
URL = "https://discord.com/api/webhooks/1234/made-up-token"


# route


@pytest.fixture
def routed(write_config: Callable[..., None]) -> None:
    write_config(
        "    webhooks:", f"      admin: {{url: {URL}}}", f"      party: {{url: {URL}2}}", ROUTES
    )


@pytest.mark.usefixtures("routed")
def test_it_shows_where_an_event_goes_and_why(command: Command) -> None:
    code, output = command("route", "peer_joined", "party_name=Red", "peer_name=Ann")
    assert code == 0
    lines = output.splitlines()
    assert "peer_joined peer_name=Ann party_name=Red first_time=true count=4 id=" in lines[0]
    assert lines[1:11] == [
        "",
        "webhook 'party': silent",
        "not posted once it is older than 600 s (lanrage.yaml:7:15: plugins.discord.max_age.peer_joined)",
        "",
        "why:",
        f"  lanrage.yaml:9:9: plugins.discord.routes.0: {FIRST}",
        "  lanrage.yaml:10:9: plugins.discord.routes.1: not reached, since routes.0 has 'stop'",
        "  lanrage.yaml:11:9: plugins.discord.routes.2: not reached, since routes.0 has 'stop'",
        "",
        "rendered by 2 templates:",
    ]
    assert "/peer_joined.yaml: title, description, color, " in lines[11]
    assert lines[12].endswith("/event.yaml: timestamp, footer.text")
    assert len(lines) == 13
    assert "made-up-token" not in output


@pytest.mark.usefixtures("routed")
def test_what_is_made_up_is_said_where_it_matters(command: Command) -> None:
    code, output = command("route", "peer_joined")
    assert code == 0
    assert (
        "routes.0: no, party_name is 'Friday LAN', not 'Red' (a made-up value: give it as "
        "party_name=…)"
    ) in output
    assert "webhook 'admin': mentions role 1234, each at most every 300 s" in output
    assert "webhook 'default': not posted, since webhook_url is not set" in output


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize(
    ("event", "text"),
    [
        ("peer_left", "it goes nowhere: a route takes it and names no webhook"),
        ("game_started", "it goes nowhere: no route takes it"),
    ],
)
def test_an_event_that_goes_nowhere_is_no_success(command: Command, event: str, text: str) -> None:
    code, output = command("route", event)
    assert code == 1
    assert text in output


@pytest.mark.slow
@pytest.mark.parametrize(("party", "post"), [("Red", "Red"), ("", "Lobby")])
def test_the_forum_post_is_named(
    command: Command, write_config: Callable[..., None], party: str, post: str
) -> None:
    name = "{{ party_name or 'Lobby' }}"
    write_config("    webhooks:", f'      forum: {{url: {URL}, thread_name: "{name}"}}')
    code, output = command("route", "peer_joined", f"party_name={party}")
    assert code == 0
    assert (
        f"webhook 'forum': with a notification, and no mention, in the forum post '{post}'"
        in output
    )


@pytest.mark.slow
def test_what_a_card_shows_is_no_message(
    command: Command, write_config: Callable[..., None]
) -> None:
    cards = ROUTES + "    cards: [{webhook: [admin, party], where: {party_name: Red}}]"
    write_config(
        "    webhooks:", f"      admin: {{url: {URL}}}", f"      party: {{url: {URL}2}}", cards
    )
    code, output = command("route", "peer_left", "party_name=Red")
    assert code == 0
    place = "(lanrage.yaml:12:13: plugins.discord.cards.0)"
    for name in ("admin", "party"):
        assert f"webhook '{name}': on the card of its party, without a message {place}" in output

    code, output = command("route", "peer_left", "party_name=Blue")
    assert code == 1
    code, output = command("route", "peer_joined", "party_name=Red")
    assert "webhook 'party': on the card of its party" in output
    assert "webhook 'party': silent" not in output


def test_without_routes_or_webhooks_that_is_the_reason(
    command: Command, write_config: Callable[..., None]
) -> None:
    write_config("    batch: {}")
    code, output = command("route", "peer_joined")
    assert code == 1
    assert "it goes nowhere: there is no webhook" in output
    assert "why: there are no routes, so every webhook posts every event" in output


def test_the_webhook_of_the_setup_page_counts(command: Command) -> None:
    _, output = command("route", "peer_joined")
    assert "it goes nowhere: there is no webhook" in output
    [settings] = ["discord.settings.json"]
    state = next((Path("home") / "lanrage-events").glob("lanrage-*"), None)
    assert state is None  # nothing was written
    Path("lanrage.yaml").write_text("state_folder: state\nplugins: {discord: }\n")
    Path("state").mkdir()
    (Path("state") / settings).write_text(json.dumps({"webhook_url": URL}))
    code, output = command("route", "peer_joined")
    assert code == 0
    assert "webhook 'default': with a notification, and no mention" in output


@pytest.mark.slow
def test_what_was_chosen_on_the_setup_page_is_the_reason(command: Command) -> None:
    Path("lanrage.yaml").write_text("state_folder: state\nplugins: {discord: }\n")
    Path("state").mkdir()
    file = Path("state") / "discord.settings.json"
    saved = {"webhooks": {"games": {"url": URL, "events": ["game_*"]}, "all": {"url": URL}}}
    file.write_text(json.dumps(saved))
    code, output = command("route", "peer_joined")
    assert code == 0
    assert "webhook 'all': with a notification, and no mention" in output
    reasons = output[output.index("why:") :].splitlines()[:3]
    assert reasons == [
        "why: there are no routes, so what was chosen on the setup page decides:",
        "  webhook 'all': takes it",
        "  webhook 'games': no, it is for game_*",
    ]
    del saved["webhooks"]["all"]
    file.write_text(json.dumps(saved))
    code, output = command("route", "peer_joined")
    assert code == 1
    assert "it goes nowhere: no webhook takes it" in output
    code, output = command("test", "gamse")
    assert "no webhook is named 'gamse', known: games, did you mean 'games'?" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("then", "meanwhile"),
    [
        ("silent", "silent and without a mention"),
        ("hold", "held and posted later"),
        ("drop", "not posted"),
    ],
)
def test_it_says_what_quiet_hours_and_mutes_make_of_it_now(
    command: Command, write_config: Callable[..., None], then: str, meanwhile: str
) -> None:
    hours = f"{{from: '00:00', to: '24:00', then: {then}, time_zone: UTC}}"
    webhook = f"url: '{URL}', quiet: [{hours}]"
    write_config(
        f"    webhooks: {{night: {{{webhook}}}, muted: {{url: '{URL}1'}}}}",
        "    routes: [{events: peer_left, important: true}, {mention: {roles: ['1234']}}]",
        "  parties:",
    )
    assert command("mute", "2h", "--webhook", "muted", "--then", then, "--why", "x")[0] == 0
    code, output = command("route", "peer_joined")
    assert code == 0
    assert "parties" not in output.replace("lanrage_events_parties", "")
    mention = "at other times mentions role 1234, each at most every 300 s\n"
    assert f"webhook 'night': now {meanwhile}: quiet hours; {mention}" in output
    assert f"webhook 'muted': now {meanwhile}: muted until " in output
    assert f" (x); {mention}" in output
    _, output = command("route", "peer_left")
    assert "'night': important, so quiet hours and mutes do not apply\n" in output


@pytest.mark.slow
@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["peer_joind"], "did you mean 'peer_joined'?"),
        (["peer_joined", "x=1"], "x: unknown field"),
        (["peer_joined", "Ann"], "expected name=value"),
        (["peer_joined", "--plugin", "discrod"], "known: discord, did you mean 'discord'?"),
    ],
)
def test_misuse_is_explained(command: Command, words: list[str], text: str) -> None:
    code, output = command("route", *words)
    assert code == 2
    assert text in output
    assert output.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("words", [["route", "peer_joined"], ["test"]])
def test_which_plugin_is_meant_must_be_clear(command: Command, words: list[str]) -> None:
    Path("lanrage.yaml").write_text("plugins: {log: {path: x}}\n")
    assert command(*words) == (
        2,
        "the configuration has no plugin that posts to Discord: add 'discord:'\n",
    )
    Path("lanrage.yaml").write_text("plugins: {discord: , other: {use: discord}}\n")
    assert command(*words) == (
        2,
        "several plugins post to Discord, choose one with --plugin: discord, other\n",
    )


# test


@pytest.mark.slow
@pytest.mark.real_clock
def test_one_message_is_posted_and_the_answer_is_shown(
    command: Command, write_config: Callable[..., None], stand_in: list[str]
) -> None:
    write_config(*stand_in)
    code, output = command("test")
    assert code == 0
    first, second = output.splitlines()
    assert first.startswith("webhook 'admin': delivered (HTTP 200), message 14")
    assert second == "not tested: party (name one to test it)"
    code, output = command("test", "party")
    assert code == 0
    assert output.startswith("webhook 'party': delivered")
    code, output = command("test", "prty")
    assert code == 2
    assert output == "no webhook is named 'prty', known: admin, party, did you mean 'party'?\n"


@pytest.mark.slow
@pytest.mark.real_clock
def test_what_discord_rejects_is_said_without_the_token(
    command: Command, write_config: Callable[..., None], stand_in: list[str]
) -> None:
    url = urls_of(stand_in)[0]
    write_config(stand_in[0], f"    webhook_url: {url}x")
    code, output = command("test")
    assert code == 1
    assert output.startswith("webhook 'default': the token of the webhook URL is wrong")
    assert url.rpartition("/")[2] not in output


def test_without_a_webhook_it_says_what_to_do(command: Command) -> None:
    code, output = command("test")
    assert code == 78
    assert "no webhook is set: set its URL here or on the setup page" in output


@pytest.mark.slow
@pytest.mark.real_clock
def test_where_nothing_listens_that_is_the_answer(
    command: Command, write_config: Callable[..., None]
) -> None:
    write_config(
        '    allow_hosts: ["127.0.0.1:9"]',
        "    webhook_url: http://127.0.0.1:9/api/webhooks/1234/made-up-token",
    )
    code, output = command("test")
    assert code == 1
    assert output.startswith("webhook 'default': no connection to 127.0.0.1:9")
    assert "made-up-token" not in output
    code, output = command("check", "--online")
    assert code == 1
    assert "online: plugins.discord: webhook 'default': error: Discord cannot be asked" in output


# check --online


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_webhook_is_looked_up(
    command: Command, write_config: Callable[..., None], stand_in: list[str], backend: str
) -> None:
    write_config(*stand_in)
    Path("lanrage.yaml").write_text(f"backend: {backend}\n{Path('lanrage.yaml').read_text()}")
    code, output = command("check", "--online")
    assert code == 0
    assert output.splitlines()[1:] == [
        "online: plugins.discord: webhook 'admin': ok: Discord has it, as 'admin'",
        "online: plugins.discord: webhook 'party': ok: Discord has it, as 'party'",
    ]
    url = urls_of(stand_in)[0]
    write_config(*stand_in, f"      wrong: {{url: '{url}x'}}")
    code, output = command("check", "--online")
    assert code == 78
    assert "webhook 'wrong': error: the token of the webhook URL is wrong" in output
    assert url.rpartition("/")[2] not in output


@pytest.mark.slow
def test_without_the_option_no_one_is_asked(
    command: Command, write_config: Callable[..., None]
) -> None:
    write_config(
        '    allow_hosts: ["127.0.0.1:9"]', "    webhook_url: http://127.0.0.1:9/api/webhooks/1/x"
    )
    code, output = command("check")
    assert code == 0
    assert "online" not in output


def test_a_configuration_without_services_says_so(command: Command) -> None:
    Path("lanrage.yaml").write_text("plugins: {log: {path: x}}\n")
    code, output = command("check", "--online")
    assert code == 0
    assert output.splitlines()[-1] == "online: no plugin uses a service that can be asked"


def test_a_missing_webhook_is_no_success(
    command: Command, write_config: Callable[..., None]
) -> None:
    write_config("    batch: {}")
    code, output = command("check", "--online")
    assert code == 1
    assert "webhook: error: no webhook_url is set" in output
