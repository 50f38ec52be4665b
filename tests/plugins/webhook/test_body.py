"""What is sent of an event: JSON leaves, texts, CloudEvents, and what each service reads of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import (
    ConfigProblem,
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStopped,
)
from lanrage_events.events import EventRegistry
from lanrage_events.templates import Templates, template_folder
from lanrage_events_webhook import TargetConfig
from lanrage_events_webhook._body import RENDERED, Body

JOINED = PeerJoined(peer_name="Ann", party_name="Friday LAN", party_id="p-1")
ENDED = GameEnded(game_name="Quake", duration=90.5, avg_latency=None)

SLACK = {"preset": "slack", "url": "https://hooks.slack.com/services/T/B/X"}
TELEGRAM = {"preset": "telegram", "token": "1:a", "to": "7"}
MATRIX = {"preset": "matrix", "url": "https://example.org", "token": "t", "to": "!r:example.org"}
NTFY = {"preset": "ntfy", "to": "lan"}
HOME = {"preset": "home_assistant", "url": "http://ha:8123", "token": "t", "to": "lan"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreChanged(Event):
    score: int
    ratio: float
    ranked: bool
    text: str


def body_of(settings: dict[str, Any], *folders: Path, report: Any = None) -> Body:
    places = [*folders, template_folder("builtin:en")]

    def fail(problem: ConfigProblem) -> None:
        raise AssertionError(problem)

    rendered = Templates("webhook", places, RENDERED)
    return Body("x", TargetConfig.model_validate(settings), rendered, places, report or fail)


def sent(settings: dict[str, Any], *events: Event, report: Any = None) -> Any:
    return json.loads(body_of(settings, report=report).content(events)[1])


def test_an_event_is_sent_as_its_json_by_default() -> None:
    assert sent({"url": "https://example.org"}, JOINED) == JOINED.to_dict()


def test_texts_in_a_body_are_templates_and_other_values_stay() -> None:
    body = {
        "text": "{{ peer_name }} is here",
        "deep": [{"party": "{{ party_name }}"}, 5, None, True, 1.5],
        "plain": "no template: }",
        "empty": "",
        "event": "{{ event }}",
    }

    assert sent({"url": "https://example.org", "body": body}, JOINED) == {
        "text": "Ann is here",
        "deep": [{"party": "Friday LAN"}, 5, None, True, 1.5],
        "plain": "no template: }",
        "empty": "",
        "event": JOINED.to_dict(),
    }


def test_a_template_that_is_one_value_keeps_its_type() -> None:
    body = {key: f"{{{{ {key} }}}}" for key in ("score", "ratio", "ranked", "text", "time")}
    event = ScoreChanged(score=3, ratio=0.5, ranked=True, text="GG")

    assert sent({"url": "https://example.org", "body": body}, event) == {
        "score": 3,
        "ratio": 0.5,
        "ranked": True,
        "text": "GG",
        "time": event.time.isoformat(),
    }


def test_what_has_nothing_to_show_is_left_out() -> None:
    body = {
        "latency": "{{ avg_latency }}",
        "game": "{{ game_name }}",
        "list": ["{{ avg_latency }}"],
    }

    assert sent({"url": "https://example.org", "body": body}, ENDED) == {
        "game": "Quake",
        "list": [],
    }


def test_a_number_that_json_does_not_have_is_left_out() -> None:
    event = ScoreChanged(score=3, ratio=float("nan"), ranked=True, text="")

    assert sent({"url": "https://example.org", "body": {"ratio": "{{ ratio }}"}}, event) == {}


def test_a_name_that_an_event_does_not_have_is_reported_with_its_place_and_left_out() -> None:
    problems: list[ConfigProblem] = []
    body = {"a": [{"b": "{{ peer_nam }}"}], "c": "{{ peer_name }}"}

    assert sent({"url": "https://example.org", "body": body}, JOINED, report=problems.append) == {
        "a": [{}],
        "c": "Ann",
    }
    (problem,) = problems
    assert problem.path == ("targets", "x", "body", "a", 0, "b")
    assert problem.warning
    assert "'peer_nam' is undefined, did you mean 'peer_name'?" in problem.message
    assert "peer_joined" in problem.message


def test_a_check_suggests_the_name_that_is_meant_whatever_the_events_are() -> None:
    problems: list[ConfigProblem] = []
    body = {"a": "{{ peer_nam }}", "b": "{{ event.peer_nam }}", "c": "{{ rendered.titel }}"}
    target = {"url": "https://example.org", "body": body}
    events = EventRegistry()
    body_of(target, report=problems.append).check(events, [GameEnded, PeerJoined])
    assert [str(problem.message) for problem in problems] == [
        (
            "'peer_nam' is undefined, did you mean 'peer_name'?, so it is left out of what is sent "
            "of any event"
        ),
        "'peer_nam' is undefined, so it is left out of what is sent of game_ended",
        (
            "'titel' is undefined, did you mean 'title'?, so it is left out of what is sent of "
            "game_ended"
        ),
    ]
    del problems[:]
    body_of(target, report=problems.append).check(events, [PeerJoined])
    assert "'peer_nam' is undefined, did you mean 'peer_name'?" in problems[1].message


def test_a_template_that_is_none_is_an_error_with_its_place() -> None:
    problems: list[ConfigProblem] = []
    body_of({"url": "https://example.org", "body": {"a": "{{ peer_name"}}, report=problems.append)

    (problem,) = problems
    assert (problem.path, problem.warning) == (("targets", "x", "body", "a"), False)


def test_a_check_finds_names_that_only_some_events_have() -> None:
    problems: list[ConfigProblem] = []
    body = body_of(
        {"url": "https://example.org", "body": {"a": "{{ peer_name }}"}}, report=problems.append
    )

    body.check(EventRegistry(), [PeerJoined])
    assert problems == []
    body.check(EventRegistry(), [PeerJoined, GameEnded])
    assert ["game_ended" in problem.message for problem in problems] == [True]


def test_a_text_is_sent_as_plain_text() -> None:
    body = body_of({"url": "https://example.org", "body": "{{ peer_name }}\n{{ rendered.title }}"})

    assert body.content([JOINED]) == ("text/plain; charset=utf-8", "Ann\n👋 Ann joined".encode())


def test_a_text_without_a_template_is_plain_text_too() -> None:
    body = body_of({"url": "https://example.org", "body": "ping"})

    assert body.content([JOINED]) == ("text/plain; charset=utf-8", b"ping")


def test_a_body_of_ones_own_is_not_shortened() -> None:
    event = Notification(title="a", message="ä" * 9000)
    body = {"text": "{{ message }}"}

    assert sent({"url": "https://example.org", "body": body}, event) == {"text": "ä" * 9000}


def test_a_text_with_nothing_to_show_is_empty() -> None:
    body = body_of({"url": "https://example.org", "body": "{{ avg_latency }}"})

    assert body.content([ENDED])[1] == b""


def test_a_batch_is_a_list_even_of_one() -> None:
    settings = {"url": "https://example.org", "batch": 5, "body": {"who": "{{ peer_name }}"}}
    other = PeerJoined(peer_name="Bob", party_name="Friday LAN")

    assert sent(settings, JOINED) == [{"who": "Ann"}]
    assert sent(settings, JOINED, other) == [{"who": "Ann"}, {"who": "Bob"}]


def test_a_cloud_event_has_the_fields_as_data() -> None:
    assert sent({"url": "https://example.org", "cloudevents": "/lan"}, JOINED) == {
        "specversion": "1.0",
        "id": JOINED.id,
        "source": "/lan",
        "type": "peer_joined",
        "time": JOINED.to_dict()["time"],
        "datacontenttype": "application/json",
        "data": {
            "party_id": "p-1",
            "peer_name": "Ann",
            "party_name": "Friday LAN",
            "peer_id": None,
            "first_time": None,
            "count": None,
        },
    }


def test_cloud_events_name_their_content_mode() -> None:
    settings = {"url": "https://example.org", "cloudevents": "lan"}

    assert body_of(settings).content([JOINED])[0] == "application/cloudevents+json; charset=utf-8"
    kind, content = body_of({**settings, "batch": 9}).content([JOINED, ENDED])
    assert kind == "application/cloudevents-batch+json; charset=utf-8"
    assert [event["type"] for event in json.loads(content)] == ["peer_joined", "game_ended"]


def test_a_preset_takes_further_keys_and_gives_up_others() -> None:
    body = {"priority": 4, "title": None, "message": "{{ peer_name }}!", "tags": ["{{ type }}"]}

    assert sent({**NTFY, "body": body}, JOINED) == {
        "topic": "lan",
        "priority": 4,
        "message": "Ann!",
        "tags": ["peer_joined"],
    }


def test_values_in_a_body_of_ones_own_are_escaped_for_the_preset() -> None:
    body = {"text": "<!here> *{{ peer_name }}*"}
    event = PeerJoined(peer_name="<!channel> *_~`", party_name="x")

    assert sent({**SLACK, "body": body}, event)["text"] == "<!here> *&lt;!channel&gt; ∗＿∼ˋ*"


def test_a_template_file_says_an_event_in_other_words(tmp_path: Path) -> None:
    file = tmp_path / "webhook" / "peer_joined.yaml"
    file.parent.mkdir()
    file.write_text("title: Hello {{ peer_name }}\n")

    data = json.loads(body_of(NTFY, tmp_path).content([JOINED])[1])
    assert (data["title"], data["message"]) == ("Hello Ann", "Welcome to Friday LAN!")


@pytest.mark.parametrize("settings", [SLACK, TELEGRAM, MATRIX, NTFY, HOME])
def test_all_built_in_events_are_said_in_words(settings: dict[str, Any]) -> None:
    created = PartyCreated(party_id="p", party_name="Friday LAN", host="Ann")
    started = GameStarted(game_name="Quake", players=("Ann", "Bob"))
    for event in (JOINED, ENDED, created, started, Notification(title="Pizza", message="Here!")):
        text = json.dumps(sent(settings, event), ensure_ascii=False)
        assert "{{" not in text
        assert "rendered" not in text


def test_what_is_known_of_a_party_is_said() -> None:
    left = PeerLeft(peer_name="Ann", party_name="Friday LAN", duration=7_800.0, count=0)
    joined = PeerJoined(peer_name="Ann", party_name="Friday LAN", first_time=True, count=1)
    crashed = ServerStopped(server_name="LAN", game_name="Quake", reason="crashed")
    over = PartyEnded(
        party_name="Friday LAN",
        since=datetime(2026, 3, 6, 20, 15, tzinfo=UTC),
        duration=19_620,
        peak=9,
        visitors=14,
        players=("Ann", "Bob"),
        games=("Quake",),
    )
    data = [sent(NTFY, event) for event in (joined, left, crashed, over)]

    assert [one["message"].replace("\n\n", "\n") for one in data] == [
        "Welcome to Friday LAN! 🎉 First time here!\nHere now: 1",
        "Left Friday LAN after 2h 10m\nStill here: nobody",
        "Game: Quake",
        "Duration: 5h 27m\nPlayers: 14, at most 9 at once\nGames: Quake\nLongest here: Ann, Bob",
    ]
    assert data[2]["title"] == "💥 Server Crashed: LAN"


@pytest.mark.parametrize("settings", [SLACK, TELEGRAM, MATRIX, NTFY, HOME])
def test_an_event_class_of_a_plugin_shows_its_fields(settings: dict[str, Any]) -> None:
    event = ScoreChanged(score=3, ratio=0.5, ranked=True, text="GG")

    text = json.dumps(sent(settings, event))
    assert "Score Changed" in text
    assert re.search(r"Score: 3.*Text: GG", text)


# What no name may bring about

HOSTILE = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "<!channel>",
                "<!here>",
                "<@U1>",
                "<#C1>",
                "<https://x|y>",
                "@room",
                "@everyone",
                "@ann:example.org",
                "</b>",
                "<b>",
                "<a",
                "href='tg://user?id=1'>x</a>",
                "&lt;!channel&gt;",
                "&",
                "*",
                "_",
                "~",
                "`",
                "```",
                ">",
                ">>",
                "\n",
                "\r\n",
                "\u2028",
                '"',
                "'",
                "\\",
                '\\"',
                "{{",
                "}}",
                "{%",
                "%}",
                "#",
                "}",
                "]",
                ",",
                "\x00",
                "�",
                "\u202e",
                "[x](y)",
                "https://x.org",
            ]
        ),
        max_size=8,
    ).map(" ".join),
)
BODIES = {
    name: body_of(settings)
    for name, settings in {
        "slack": SLACK,
        "telegram": TELEGRAM,
        "matrix": MATRIX,
        "ntfy": NTFY,
        "home_assistant": HOME,
    }.items()
}

OWN = body_of(
    {
        "url": "https://example.org",
        "body": {"text": '{"a": "{{ peer_name }}"}', "list": ["{{ party_name }}"]},
    }
)


def hostile(kind: str, name: str) -> dict[str, Any]:
    event = Notification(title=name, message=f"{name}\n{name}")
    joined = PeerJoined(peer_name=name, party_name=name)
    data: dict[str, Any] = json.loads(BODIES[kind].content([event])[1])
    assert json.loads(BODIES[kind].content([joined])[1]).keys() == data.keys() | (
        {"title"} if kind == "ntfy" else set()
    )
    return data


@given(HOSTILE)
def test_slack_shows_no_markup_and_no_mention_of_a_name(name: str) -> None:
    text = hostile("slack", name)["text"]

    assert not re.search("[<>]", text)
    assert re.sub("&(amp|lt|gt);", "", text).count("&") == 0
    title, *rest = text.split("\n")
    assert title[0] == title[-1] == "*"
    assert not re.search("[*_~`]", title[1:-1] + "".join(rest))
    assert not any(line.lstrip().startswith("&gt;") for line in rest)


@given(HOSTILE)
def test_telegram_shows_no_markup_and_no_mention_of_a_name(name: str) -> None:
    text = hostile("telegram", name)["text"]

    assert re.findall("<[^>]*>", text) == ["<b>", "</b>"]
    assert re.findall("&(?!amp;|lt;|gt;|quot;|#x27;)", text) == []
    assert "@" not in text


@given(HOSTILE)
def test_matrix_notifies_no_one_of_a_name(name: str) -> None:
    data = hostile("matrix", name)

    assert data.keys() == {"msgtype", "body", "m.mentions"}
    assert data["m.mentions"] == {}
    assert "@" not in data["body"]


@given(HOSTILE)
def test_ntfy_gets_plain_text_and_no_other_keys(name: str) -> None:
    data = hostile("ntfy", name)

    assert data.keys() <= {"topic", "title", "message"}
    assert data["topic"] == "lan"
    assert data["message"]
    assert "\n" not in data.get("title", "")


@given(HOSTILE)
def test_home_assistant_gets_the_event_and_no_other_keys(name: str) -> None:
    data = hostile("home_assistant", name)

    assert data.keys() == {"title", "message", "event"}
    assert data["event"]["type"] == "notification"


@given(HOSTILE)
def test_a_value_in_a_body_stays_in_its_text(name: str) -> None:
    event = PeerJoined(peer_name=name, party_name="x")
    data = json.loads(OWN.content([event])[1])

    assert data.keys() == {"text", "list"}
    assert data["list"] == ["x"]
    assert data["text"].startswith('{"a": "')
    assert data["text"].endswith('"}')


@pytest.mark.parametrize("kind", BODIES)
def test_what_is_too_long_is_shortened_to_what_each_service_takes(kind: str) -> None:
    name = "ä<&" * 5000
    event = Notification(title=name, message=name)
    data = json.loads(BODIES[kind].content([event])[1])
    data.pop("event", None)

    assert all(len(str(text).encode()) <= 4096 for text in data.values())


def test_the_german_set_says_all_built_in_events() -> None:
    folder = template_folder("builtin:de")
    english = {path.name for path in (template_folder("builtin:en") / "webhook").iterdir()}
    german = {path.name for path in (folder / "webhook").iterdir()}

    assert english - german == {"event.yaml", "party_event.yaml"}
    data = json.loads(body_of(NTFY, folder).content([JOINED])[1])
    assert (data["title"], data["message"]) == ("👋 Ann ist dabei", "Willkommen bei Friday LAN!")
    data = json.loads(body_of(NTFY, folder).content([Notification(title="", message="a")])[1])
    assert (data["title"], data["message"]) == ("Nachricht", "a")
