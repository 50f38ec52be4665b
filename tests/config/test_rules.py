"""The rules of a configuration file: their errors, and what check and route show of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Command = Callable[..., tuple[int, str]]

ANN = '{"type": "peer_joined", "peer_name": "Ann", "party_name": "srv1"}'
RULES = """\
    state_folder: state
    rules:
      - events: [peer_joined, peer_left]
        where: {peer_name: "[BOT]*"}
        drop: true
      - set: {party_name: "{{ {'srv1': 'LAN'}.get(party_name, party_name) }}"}
      - {hide: Ann, as: someone}
      - where: {party_name: Test}
        drop: true
    plugins:
      discord:
        webhook_url: https://discord.com/api/webhooks/123456789012345678/made-up-token
        routes:
          - {where: {party_name: LAN}}
    """


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> None:
    Path("lanrage.yaml").write_text(dedent(text), "utf-8")


def test_every_mistake_has_its_place(command: Command) -> None:
    write(
        """\
        rules:
          - events: [peer_joinedd, peer_left]
            drop: true
          - events: peer_joined
            where: {peer_nam: "[BOT]*"}
            drop: true
          - events: party_event
            set: {party_name: "{{ party_name }", party_nam: x, id: y, host: "{{ hots }}"}
          - set:
              title: |
                hello
                {% endfor %}
              color: red
          - hide: [player]
          - redact: [names, adresses]
          - hide: []
          - drop: true
            hide: Ann
          - events: peer_left
          - as: x
            drpo: true
        plugins: {log: }
        """
    )
    code, output = command("check")
    assert code == 78
    assert output.splitlines() == [
        f"lanrage.yaml:{line}"
        for line in (
            "2:14: rules.0.events.0: no event type is named 'peer_joinedd', did you mean 'peer_joined'?",
            (
                "5:13: rules.1.where.peer_nam: no event matches, since none of its types has this field, "
                "did you mean 'peer_name'?"
            ),
            "8:23: rules.2.set.party_name: the template cannot be read: unexpected '}'",
            (
                "8:42: rules.2.set.party_nam: no event type that the rule is for has this field, did you "
                "mean 'party_name'?"
            ),
            "8:56: rules.2.set.id: a rule cannot change which event it is, and when it happened",
            (
                "8:69: rules.2.set.host: no event type that the rule is for has a field 'hots', did you "
                "mean 'host'?"
            ),
            "12:1: rules.3.set.title: the template cannot be read: Encountered unknown tag 'endfor'.",
            (
                "13:14: rules.3.set.color: not a value of this field: Input should be a valid integer, "
                "unable to parse string as an integer"
            ),
            "15:21: rules.5.redact.1: expected 'addresses' or 'names', did you mean 'addresses'?",
            "16:11: rules.6.hide: expected at least 1 item",
            "17:5: rules.7: at most one of drop and hide: write a rule for each",
            "19:5: rules.8: it does nothing: give one of drop, set, hide and redact",
            "21:5: rules.9.drpo: unknown key, did you mean 'drop'?",
        )
    ] + ["lanrage.yaml: 13 errors"]


def test_what_most_likely_does_nothing_is_a_warning(command: Command) -> None:
    write(
        "rules: [{where: {party_name: [x, true]}, drop: true}, {redact: names}]\nplugins: {log: }"
    )
    code, output = command("check")
    assert code == 0
    assert output.splitlines()[:2] == [
        (
            "warning: lanrage.yaml:1:34: rules.0.where.party_name.1: the field is a text, never true "
            "(without quotes)"
        ),
        (
            "warning: lanrage.yaml:1:64: rules.1.redact: no rule hides names, so there are none to redact: "
            "add one with 'hide'"
        ),
    ]


def test_an_error_in_an_item_is_not_also_one_about_the_number_of_items(command: Command) -> None:
    write("rules: [{redact: [adresses]}]\nplugins: {log: }")
    _, output = command("check")
    assert output.splitlines() == [
        "lanrage.yaml:1:19: rules.0.redact.0: expected 'addresses' or 'names', did you mean 'addresses'?",
        "lanrage.yaml: 1 error",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("{hide: Ann, as: '{{ peer_name | first }}'}", "0.as: it is no template, so it is shown as"),
        ("{events: game_started, set: {players: '{{ players | first }}'}}", "0.set.players: it gives no value of this field, such as 'Ann' for a game_started, which stays"),
        ("{events: game_ended, set: {duration: '{{ duration | string }} s'}}", "0.set.duration: it gives"),
        ("{drop: true}, {hide: Ann}", "1: no event comes here, since rule 1 drops all that it is for"),
        ("{events: 'peer_*', drop: true}, {events: [peer_left], set: {peer_name: x}}", "1: no event"),
        ("{events: peer_joined, where: {peer_name: '^.BOT.*$'}, drop: true}", "0.where.peer_name: it looks like a regular expression"),
        ("{where: {peer_name: [Ann, 'bot\\d+']}, drop: true}", "0.where.peer_name.1: it looks like"),
        ("{where: {peer_name: {not: '(Ann|Bob)'}}, drop: true}", "0.where.peer_name.not: it looks"),
    ],
)  # fmt: skip
def test_a_rule_that_hardly_does_what_is_meant_is_a_warning(
    command: Command, rules: str, problem: str
) -> None:
    write(f"rules: [{rules}]\nplugins: {{log: }}")
    code, output = command("check")
    assert code == 0
    [warning] = [line for line in output.splitlines() if line.startswith("warning: ")]
    assert f": rules.{problem}" in warning


@pytest.mark.slow
@pytest.mark.parametrize(
    "rules",
    [
        "{where: {peer_name: '[BOT]*'}, drop: true}, {hide: Ann, as: '{someone}'}",
        "{where: {peer_name: ['cash$', 'v1.*', '*.+*', 'a|b', 'C:/dust']}, drop: true}",
        "{events: peer_joined, drop: true}, {events: [peer_joined, peer_left], hide: Ann}",
        "{events: peer_joined, where: {peer_name: Bot}, drop: true}, {events: peer_joined, hide: Ann}",
        "{set: {players: '{{ players | sort }}', peer_name: '{{ peer_name | first }}.'}}",
        "{set: {party_name: '{{ 2000 + 26 }}', peer_name: '{{ {\"Ann\": \"A\"}[peer_name] }}'}}",
    ],
)
def test_a_rule_that_does_what_is_meant_is_no_warning(command: Command, rules: str) -> None:
    write(f"rules: [{rules}]\nplugins: {{log: }}")
    assert command("check") == (0, "lanrage.yaml: all is well; plugins: log; backend: asyncio\n")


def test_what_is_shown_must_not_have_a_hidden_name(command: Command) -> None:
    write("rules: [{hide: [Ann, player]}, {redact: names}]\nplugins: {log: }")
    code, output = command("check")
    assert code == 78
    assert "rules.0.as: it has one of the names that are to be hidden" in output


@pytest.mark.slow
def test_the_check_shows_what_each_rule_does_with_an_event(command: Command) -> None:
    write(RULES)
    code, output = command("check", "--event", ANN)
    lines = output.splitlines()
    assert code == 0
    assert lines[1:3] == [
        "lanrage.yaml:3:5: rule 1 (drop) is not for this event: peer_name is 'Ann', not '[BOT]*'",
        "lanrage.yaml:6:5: rule 2 (set) changes party_name from 'srv1' to 'LAN'",
    ]
    assert "rule 3 (hide) changes peer_name from 'Ann' to 'someone', peer_id from None" in lines[3]
    assert '"peer_name":"someone","party_name":"LAN"' in lines[5]
    assert not Path("state").exists()
    code, output = command("check", "--event", ANN.replace("srv1", "Test"))
    assert output.splitlines()[-2:] == [
        "lanrage.yaml:8:5: rule 4 (drop) drops it",
        "no plugin receives it",
    ]


@pytest.mark.slow
def test_an_event_that_is_none_is_an_error(command: Command) -> None:
    write(RULES)
    code, output = command("check", "--event", '{"type": "peer_joined"}')
    assert code == 2
    assert "--event: peer_joined: peer_name: required" in output


def test_the_command_route_shows_it_too(command: Command) -> None:
    write(RULES)
    code, output = command("route", "peer_joined", "peer_name=Ann", "party_name=srv1")
    assert code == 0
    assert "rule 2 (set) changes party_name from 'srv1' to 'LAN'" in output
    assert "webhook 'default': with a notification" in output
    code, output = command("route", "peer_joined", "party_name=Test")
    assert code == 1
    assert output.splitlines()[-1] == "it goes nowhere: no plugin receives it"
