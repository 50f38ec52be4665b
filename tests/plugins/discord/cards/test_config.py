"""The configuration of cards, and its errors with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events.config import ConfigError, load_bus
from lanrage_events_discord import DiscordConfig

URL = "https://discord.com/api/webhooks/123456789012345678/" + "example-" * 8 + "token"


def load(folder: Path, cards: str, *, parties: bool = True, rules: str = "[]") -> list[str]:
    """Return the errors and warnings of a configuration, without its folder."""
    file = folder / "lanrage.yaml"
    lines = [
        f"state_folder: {folder / 'state'}",
        f"rules: {rules}",
        "plugins:",
        *(["  parties: {}"] if parties else []),
        "  discord:",
        f'    webhook_url: "{URL}"',
        f"    cards: {cards}",
    ]
    file.write_text("\n".join([*lines, ""]), "utf-8")
    try:
        bus = load_bus(file)
    except ConfigError as error:
        return [text.replace(f"{folder}/", "") for text in error.problems]

    problems: list[str] = []
    for problem in bus.plugins.problems("discord"):
        path = ".".join(map(str, problem.path))
        place = bus.plugins.source_location("discord", path) or ""
        problems.append(f"{place}: {problem.message}".replace(f"{folder}/", ""))

    return problems


@pytest.mark.parametrize(
    ("cards", "text"),
    [
        ("^maybe", "expected true, false, or a list of cards"),
        ("[{webhook: ^defualt}]", "no webhook is named 'defualt', did you mean 'default'?"),
        ("[{webhook: [default, ^x]}]", "no webhook is named 'x', known: default"),
        ("[{webhook: ^[]}]", "expected the name of a webhook, found none"),
        ("[{where: {party: ^LAN}}]", "no key 'party' here, did you mean 'party_id' or"),
        ("[{where: {host: ^Ann}}]", "a card is chosen by party_name and party_id"),
        ("[{every: ^900ms}]", "must be at least 1s"),
        ("[{every: ^6m}]", "must be at most 5m"),
        ("[{bump: ^sometimes}]", "expected 'never', or a duration, such as '10m'"),
        ("[{bump: ^false}]", "expected 'never', or a duration, such as '10m'"),
        ("[{bump: ^10s}]", "must be at least 1m"),
        ("[{messages: [game_ended, ^notification]}]", "it has no effect: a card does not show"),
        ("[{messages: [^game_startd]}]", "'game_startd', did you mean 'game_started'?"),
        ("[{when_over: ^vanish}]", "recap"),
        ("[{poll: {question: ^''}}]", "expected at least 1 character"),
        (f"[{{poll: {{question: ^{'x' * 301}}}}}]", "at most 300 characters"),
        ("[{poll: {question: Best?, hours: ^769}}]", "must be at most 768"),
        ("[{thread: true, when_over: delete, ^poll: {question: x}}]", "use 'when_over: recap'"),
        ("[{mention: {roles: [^admins]}}]", "expected an id, such as '123456789012345678'"),
        ("[{^evry: 2s}]", "evry: unknown key, did you mean 'every'?"),
        ("[{}, ^{every: 5s}]", "no party has it, since all have that of cards.0 there"),
        ("[{^mention: {cooldown: 1h}}]", "it names no role and no user"),
        ("[{where: {^party_name: '.*LAN$'}}]", "it looks like a regular expression"),
    ],
)
def test_each_problem_has_its_place(tmp_path: Path, cards: str, text: str) -> None:
    place = f"lanrage.yaml:7:{cards.index('^') + len('    cards: ') + 1}: "
    problems = load(tmp_path, cards.replace("^", ""))
    assert any(place in one and text in one for one in problems), problems


@pytest.mark.slow
@pytest.mark.parametrize("cards", ["true", "false", "", "[]", '"true"', "[{bump: never}]"])
def test_what_is_right_has_no_problem(tmp_path: Path, cards: str) -> None:
    assert load(tmp_path, cards) == []


def test_without_the_plugin_that_ends_parties_there_are_no_cards(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, "true", parties=False)
    message = "the plugin 'parties' says when a party is over, and is not there: add 'parties:'"
    assert problem.endswith(message)
    assert problem.startswith("lanrage.yaml:6:")
    assert load(tmp_path, "false", parties=False) == []


def test_a_card_in_a_webhook_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = f'true\n    webhooks: {{lobby: {{url: "{URL}"}}}}'
    assert load(tmp_path, text) == []
    file = tmp_path / "lanrage.yaml"
    lines = [line for line in file.read_text("utf-8").splitlines() if "webhook_url" not in line]
    file.write_text("\n".join(lines), "utf-8")
    [problem] = load_bus(file).plugins.problems("discord")
    assert problem.warning
    assert "no webhook is named 'default' here" in problem.message
    assert "'webhook: lobby'" in problem.message


def test_true_is_one_card_with_the_defaults() -> None:
    (card,) = DiscordConfig.model_validate({"cards": True}).cards
    assert (card.webhook, card.where, card.every, card.bump) == (("default",), {}, 2, 600)
    assert (card.silent, card.thread, card.when_over, card.poll) == (True, False, "recap", None)
    assert card.messages == ("game_started", "game_ended")
    assert DiscordConfig.model_validate({"cards": False}).cards == ()
    assert DiscordConfig.model_validate({"cards": [{"bump": "never"}]}).cards[0].bump is None


def test_a_webhook_that_has_only_cards_is_used(tmp_path: Path) -> None:
    text = "[{webhook: default}]\n    routes: [{events: notification, webhook: []}]"
    assert not any("no route names this webhook" in one for one in load(tmp_path, text))


@pytest.mark.parametrize(
    ("rules", "number"),
    [
        ("[{events: [party_ended], drop: true}]", 1),
        ("[{set: {party_name: X}, events: [peer_left]}, {events: [party_e*], drop: true}]", 2),
        ("[{events: [party_event], drop: true}]", 0),
        ("[{events: [party_ended], where: {party_name: Test}, drop: true}]", 0),
        ("[{events: [party_event], where: {party_name: {not: Test}}, drop: true}]", 0),
        ("[{events: [game_ended], drop: true}]", 0),
    ],
)
def test_rule_that_keeps_cards_open_is_a_warning(tmp_path: Path, rules: str, number: int) -> None:
    expected = (
        f"rule {number} drops party_ended, by which cards end, so they stay open: let it pass"
    )
    found = load(tmp_path, "true", rules=rules)
    assert found == ([f"lanrage.yaml:7:5: {expected}"] if number else [])
    assert load(tmp_path, "false", rules=rules) == []
