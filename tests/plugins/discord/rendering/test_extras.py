from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.events import EventRegistry
from lanrage_events_discord import limits
from lanrage_events_discord._embeds import Button, Embed, Message
from lanrage_events_discord._rendering import (
    NO_EXTRAS,
    Digest,
    Entry,
    Extras,
    Renderer,
    compose,
)

START = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
RENDERER = Renderer([files("lanrage_events_templates")], invite_url=lambda: None)
RENDERER.check(EventRegistry().types())
JOIN = Button("Join", "https://example.org/join")


def entry(number: int, **extras: Any) -> Entry:
    return Entry(
        event_id=str(number),
        type="peer_joined",
        time=START + timedelta(seconds=number),
        embed=Embed(title=f"{number} joined"),
        digest=Digest("joined", "joined", str(number)),
        extras=Extras(**extras) if extras else NO_EXTRAS,
    )


def composed(*entries: Entry, **options: Any) -> list[Message]:
    return list(compose(entries, wording=RENDERER.wording, **options))


def test_extras_wait_in_the_outbox() -> None:
    full = entry(
        1,
        content="**Ann** is \ud83d here",
        username="Bot",
        avatar_url="https://example.org/a.png",
        buttons=(JOIN, Button("Map", "https://example.org/map")),
    )
    assert Entry.from_json(full.to_json()) == full
    some = entry(2, content="hi")
    assert json.loads(some.to_json())["extras"] == {"content": "hi"}
    assert Entry.from_json(some.to_json()) == some


def test_entries_without_extras_are_written_as_before() -> None:
    assert "extras" not in json.loads(entry(1).to_json())
    assert Entry.from_json(entry(1).to_json()).extras is NO_EXTRAS


def test_extras_of_a_later_version_are_read_as_far_as_they_are_known() -> None:
    data = json.loads(entry(1, content="hi", buttons=(JOIN,)).to_json())
    data["extras"]["sticker"] = "wave"
    data["extras"]["buttons"][0]["emoji"] = "🎮"
    assert Entry.from_json(json.dumps(data)).extras == Extras(content="hi", buttons=(JOIN,))


@pytest.mark.parametrize("extras", ["text", [1], {"buttons": 3}, {"buttons": [{}]}])
def test_what_are_no_extras_are_no_entry(extras: object) -> None:
    data = json.loads(entry(1).to_json()) | {"extras": extras}
    with pytest.raises(ValueError, match="not an entry"):
        Entry.from_json(json.dumps(data))


def test_message_of_one_event_has_its_extras() -> None:
    one = entry(1, content="hi", buttons=(JOIN,), username="Bot", avatar_url="https://a.org/a.png")
    for options in ({}, {"style": "embeds"}, {"catch_up": True}):
        [message] = composed(one, **options)
        assert message == Message(
            entries=1,
            embeds=(one.embed,),
            content="hi",
            buttons=(JOIN,),
            username="Bot",
            avatar_url="https://a.org/a.png",
        )


@pytest.mark.parametrize("style", ["digest", "embeds"])
def test_message_of_several_events_has_neither_content_nor_buttons(style: str) -> None:
    batch = [entry(n, content=f"hi {n}", buttons=(JOIN,), username="Bot") for n in range(3)]
    [message] = composed(*batch, style=style)
    assert (message.entries, message.content, message.buttons) == (3, "", ())
    assert message.username == "Bot"


@pytest.mark.parametrize("key", ["username", "avatar_url"])
@pytest.mark.parametrize("style", ["digest", "embeds"])
def test_events_that_differ_in_name_or_picture_share_no_message(key: str, style: str) -> None:
    values = ["a", "a", "b", "", "", "b", "a"]
    batch = [entry(n, **{key: value, "content": str(n)}) for n, value in enumerate(values)]
    messages = composed(*batch, style=style)
    assert [(message.entries, getattr(message, key)) for message in messages] == [
        (2, "a"),
        (1, "b"),
        (2, ""),
        (1, "b"),
        (1, "a"),
    ]
    assert [message.content for message in messages] == ["", "2", "", "5", "6"]


def test_content_and_buttons_divide_nothing() -> None:
    batch = [entry(1), entry(2, content="hi"), entry(3, buttons=(JOIN,)), entry(4)]
    [message] = composed(*batch)
    assert message.entries == 4


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.booleans()), max_size=12),
    st.integers(min_value=1, max_value=4),
    st.sampled_from(["digest", "embeds"]),
)
def test_there_are_no_more_messages_than_permitted(
    kinds: list[tuple[str, bool]], most: int, style: Any
) -> None:
    batch = [
        replace(entry(n, username=name), is_alert=is_alert)
        for n, (name, is_alert) in enumerate(kinds)
    ]
    position = 0
    for message in composed(*batch, max_messages=most, style=style):
        shown = batch[position : position + message.entries - message.counted]
        assert {one.extras.username for one in shown} == {message.username}
        assert not any(one.is_alert for one in shown) or message.entries == 1
        position += message.entries

    assert position == len(batch)
    if not any(is_alert for _, is_alert in kinds):
        assert len(composed(*batch, max_messages=most, style=style)) <= most


def test_body_has_rows_of_five_buttons() -> None:
    buttons = tuple(Button(f"{n}", f"https://example.org/{n}") for n in range(12))
    message = Message(entries=0, embeds=(), buttons=buttons)
    rows: Any = message.body()["components"]
    assert [row["type"] for row in rows] == [1, 1, 1]
    assert [len(row["components"]) for row in rows] == [5, 5, 2]
    assert rows[2]["components"][1] == {
        "type": 2,
        "style": 5,
        "label": "11",
        "url": "https://example.org/11",
    }
    assert message.edit_body()["components"] == rows
    assert limits.ROW_MAX_BUTTONS * 5 == limits.MESSAGE_MAX_BUTTONS


def test_edit_takes_away_what_is_not_there() -> None:
    message = Message(
        entries=0,
        embeds=(Embed(title="a"),),
        username="Bot",
        avatar_url="https://a.org/a.png",
        thread_name="Friday",
        applied_tags=("1",),
        poll={"question": {"text": "Best game?"}},
        flags=4096,
    )
    assert message.edit_body() == {
        "content": "",
        "components": [],
        "embeds": [{"title": "a"}],
        "allowed_mentions": {"parse": []},
    }
    assert "components" not in message.body()
    assert message.body()["applied_tags"] == ["1"]
    assert message.body()["poll"] == {"question": {"text": "Best game?"}}
    assert "applied_tags" not in replace(message, thread_name="").body()
