from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from types import FrameType
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanrage_events.events import EventRegistry
from lanrage_events_discord._embeds import SUPPRESS_NOTIFICATIONS, Embed, EmbedField, Message
from lanrage_events_discord._rendering import COUNT, Digest, Entry, Renderer, compose

START = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
GREY = 0x757575
RENDERER = Renderer([files("lanrage_events_templates")], invite_url=lambda: None)
RENDERER.check(EventRegistry().types())
WORDING = RENDERER.wording

BrokenLimits = Callable[[list[Any]], list[str]]


def entry(
    number: int,
    item: str,
    verb: str = "joined",
    *,
    embed: Embed | None = None,
    time: datetime | None = None,
) -> Entry:
    return Entry(
        event_id=str(number),
        type=f"peer_{verb}",
        time=time or START + timedelta(seconds=number),
        embed=embed or Embed(title=f"👋 {item} {verb}", footer="LANrage"),
        digest=Digest(f"{verb} Friday", f"👋 **{COUNT} {verb}** Friday LAN", item),
    )


def composed(entries: Sequence[Entry], **options: Any) -> list[Message]:
    return list(compose(entries, wording=WORDING, **options))


def rejections(body: dict[str, Any], broken_limits: BrokenLimits) -> list[str]:
    found = broken_limits(body["embeds"])
    if body["allowed_mentions"] != {"parse": []}:
        found.append("somebody could be mentioned")

    links = [embed["url"] for embed in body["embeds"] if "url" in embed]
    if len(links) != len(set(links)):
        found.append("a url is repeated, so an embed is not shown")

    return found


def lines_of(message: Message) -> list[str]:
    """Put the lines of a digest together again."""
    text = ""
    for embed in message.embeds:
        if embed.description.startswith("… ") and "more event" not in embed.description[:40]:
            text += ", " + embed.description.removeprefix("… ")
        else:
            text += "\n" + embed.description

    return text.removeprefix("\n").split("\n")


def items_of(message: Message) -> list[tuple[str, str]]:
    """Read verb and item of each entry out of a digest, from top to bottom."""
    found = []
    for line in lines_of(message):
        match = re.fullmatch(r"(?:<t.*> )?👋 \*\*(\d+) (\w+)\*\* Friday LAN: (.*)", line)
        assert match is not None, line
        items = match[3].split(", ")
        assert int(match[1]) == len(items)
        found += [(match[2], item) for item in items]

    return found


def description(entries: Sequence[Entry], **options: Any) -> str:
    (message,) = composed(entries, **options)
    assert message.entries == len(entries)
    (embed,) = message.embeds
    return embed.description


def test_single_entry_is_sent_as_its_embed() -> None:
    alone = entry(1, "Ann")
    for style in ("digest", "embeds"):
        assert composed([alone], style=style) == [Message(entries=1, embeds=(alone.embed,))]

    assert composed([alone], catch_up=True) == [Message(entries=1, embeds=(alone.embed,))]
    assert composed([]) == []


def test_several_entries_become_one_grouped_digest() -> None:
    batch = [entry(1, "Ann"), entry(2, "Bob"), entry(3, "Dan", "left"), entry(4, "Cy")]
    assert composed(batch) == [
        Message(
            entries=4,
            embeds=(
                Embed(
                    title="📋 4 events",
                    description=(
                        "👋 **3 joined** Friday LAN: Ann, Bob, Cy\n👋 **1 left** Friday LAN: Dan"
                    ),
                    color=GREY,
                    timestamp=START + timedelta(seconds=4),
                    footer="LANrage",
                ),
            ),
        )
    ]


def test_join_and_leave_of_one_player_are_shown_in_order() -> None:
    batch = [
        entry(1, "Ann"),
        entry(2, "Bob"),
        entry(3, "Ann", "left"),
        entry(4, "Ann"),
        entry(5, "Bob", "left"),
        entry(6, "Cy"),
    ]
    assert description(batch).split("\n") == [
        "👋 **2 joined** Friday LAN: Ann, Bob",
        "👋 **2 left** Friday LAN: Ann, Bob",
        "👋 **2 joined** Friday LAN: Ann, Cy",
    ]


short_entries = st.lists(
    st.tuples(st.sampled_from("ABCDE"), st.sampled_from(["joined", "left", "won"])), max_size=60
)
long_entries = st.lists(
    st.tuples(
        st.builds(lambda name, size: name * size, st.sampled_from("ABC"), st.integers(1, 700)),
        st.sampled_from(["joined", "left"]),
    ),
    max_size=60,
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.one_of(short_entries, long_entries), st.booleans())
def test_digest_shows_each_entry_once_and_each_subject_in_order(
    broken_limits: BrokenLimits, pairs: list[tuple[str, str]], catch_up: bool
) -> None:
    batch = [entry(number, item, verb) for number, (item, verb) in enumerate(pairs)]
    position = 0
    for message in composed(batch, catch_up=catch_up):
        assert rejections(message.body(), broken_limits) == []
        part = pairs[position : position + message.entries]
        position += message.entries
        if message.entries == 1:
            assert message.embeds == (batch[position - 1].embed,)
            continue

        lines = items_of(message)
        assert Counter(lines) == Counter((verb, item) for item, verb in part)
        for subject in {item for item, _ in part}:
            assert [verb for verb, item in lines if item == subject] == [
                verb for item, verb in part if item == subject
            ]

    assert position == len(batch)


any_text = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=st.characters(), max_size=5),
    st.builds(
        lambda piece, times: piece * times,
        st.text(alphabet="ab\\`*[]()\n👋\ue000 ", min_size=1, max_size=10),
        st.integers(1, 700),
    ),
)
any_embed = st.builds(
    Embed,
    title=any_text,
    description=any_text,
    url=st.sampled_from(["", "https://example.com", "https://example.com/", "https://EXAMPLE.com"]),
    footer=any_text,
    author=any_text,
    image=st.sampled_from(["", "https://example.com/i.png"]),
    timestamp=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
    fields=st.lists(st.builds(EmbedField, any_text, any_text), max_size=3).map(tuple),
)
any_entries = st.lists(
    st.builds(
        Entry,
        event_id=st.just("id"),
        type=st.sampled_from(["peer_joined", "game_ended", "x" * 300]),
        time=st.one_of(st.datetimes(), st.datetimes(timezones=st.timezones())),
        embed=any_embed,
        digest=st.builds(
            Digest,
            st.sampled_from("ab"),
            any_text,
            any_text,
            shortened=st.booleans(),
            use_embed=st.sampled_from([False, False, True]),
        ),
        shortened=st.booleans(),
    ),
    max_size=30,
)
styles: st.SearchStrategy[Literal["digest", "embeds"]] = st.sampled_from(["digest", "embeds"])
expired_counts = st.dictionaries(
    st.one_of(st.sampled_from(["peer_joined", "x" * 300]), st.text(min_size=1)),
    st.integers(0, 10**9),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(any_entries, styles, st.one_of(st.none(), st.integers(1, 3)), st.booleans(), expired_counts)
@example([entry(n, "x" * 5000) for n in range(12)], "embeds", 1, False, {})
@example(
    [entry(n, "Ann", embed=Embed(description="d" * 4096, footer="f" * 1904)) for n in range(3)],
    "embeds",
    1,
    False,
    {"peer_joined": 1},
)
@example([entry(n, "Ann", time=datetime.max) for n in range(3)], "digest", None, True, {})
def test_no_batch_makes_a_message_that_discord_rejects(
    broken_limits: BrokenLimits,
    batch: list[Entry],
    style: Literal["digest", "embeds"],
    max_messages: int | None,
    catch_up: bool,
    expired: dict[str, int],
) -> None:
    made = composed(
        batch, style=style, max_messages=max_messages, catch_up=catch_up, expired=expired
    )
    for message in made:
        assert rejections(message.body(), broken_limits) == []

    assert sum(message.entries for message in made) == len(batch)
    assert all(0 <= message.shortened <= message.entries for message in made)
    telling = [message for message in made if message.entries]
    assert max_messages is None or len(telling) <= max_messages
    assert len(made) - len(telling) <= bool(expired)


@pytest.mark.slow
@settings(deadline=None)
@given(any_entries, st.booleans())
def test_embeds_style_shows_every_embed_in_order(batch: list[Entry], repeat: bool) -> None:
    batch = batch * 3 if repeat else batch
    made = composed(batch, style="embeds")
    shown = [embed for message in made for embed in message.embeds]
    assert [message.entries for message in made] == [len(message.embeds) for message in made]
    assert len(shown) == len(batch)
    for embed, told_entry in zip(shown, batch, strict=True):
        wanted = told_entry.embed.to_dict()
        if not embed.url:
            wanted.pop("url", None)

        assert embed.to_dict() == wanted


def test_embeds_style_fills_each_message_with_ten() -> None:
    made = composed([entry(n, f"player {n}") for n in range(25)], style="embeds")
    assert [message.entries for message in made] == [10, 10, 5]


def test_embeds_style_stays_within_the_sum_of_a_message() -> None:
    batch = [entry(n, "Ann", embed=Embed(description="d" * 3000)) for n in range(5)]
    assert [message.entries for message in composed(batch, style="embeds")] == [2, 2, 1]


def test_repeated_url_stays_on_the_first_embed_of_a_message_only() -> None:
    def linked(number: int, url: str) -> Entry:
        return entry(number, "Ann", embed=Embed(title=f"n{number}", url=url))

    batch = [
        linked(0, "https://example.com/a"),
        linked(1, "https://example.com/a/"),
        linked(2, "https://example.com/b"),
        linked(3, "https://EXAMPLE.com/a"),
    ]
    (message,) = composed(batch, style="embeds")
    assert [embed.url for embed in message.embeds] == [
        "https://example.com/a",
        "",
        "https://example.com/b",
        "",
    ]


def test_digest_uses_as_few_messages_as_the_text_allows() -> None:
    batch = [entry(n, f"player number {n:04}") for n in range(1000)]
    made = composed(batch)
    # 18 characters and ", " each, beside heading, title and footer.
    room = 6000 - len("📋 1000 events") - len("LANrage") - len("👋 **999 joined** Friday LAN: ")
    assert [message.entries for message in made] == [(room + 2) // 20] * 3 + [
        1000 - 3 * ((room + 2) // 20)
    ]
    for message in made:
        assert len(message.embeds) <= 2


def test_burst_of_200_fits_into_one_message() -> None:
    batch = [entry(n, f"player {n}", "joined" if n % 3 else "left") for n in range(200)]
    assert len(composed(batch)) == 1


def test_long_line_is_continued_in_a_further_embed_between_two_items() -> None:
    (message,) = composed([entry(n, f"<{n:03}{'x' * 40}>") for n in range(110)])
    first, second = message.embeds
    assert first.title == "📋 110 events"
    assert first.description.startswith("👋 **110 joined** Friday LAN: <000xxx")
    assert first.description.endswith("x>")
    assert second.description.startswith("… <")
    assert second.title == ""
    assert (first.timestamp, first.footer) == (None, "")
    assert (second.timestamp, second.footer) == (START + timedelta(seconds=109), "LANrage")
    assert {first.color, second.color} == {GREY}
    assert [item for _, item in items_of(message)] == [f"<{n:03}{'x' * 40}>" for n in range(110)]


def test_heading_moves_to_the_next_embed_together_with_its_first_item() -> None:
    batch = [entry(n, str(n % 10) * 400) for n in range(10)] + [entry(10, "Z" * 500, "left")]
    (message,) = composed(batch)
    assert message.embeds[1].description.startswith("👋 **1 left** Friday LAN: ZZZ")


def test_only_an_item_over_its_own_bound_is_shortened() -> None:
    (message,) = composed([entry(0, "A" * 2500), entry(1, "B" * 5000), entry(2, "C")])
    assert [item for _, item in items_of(message)] == ["A" * 2500, "B" * 2999 + "…", "C"]


def test_item_is_never_cut_inside_an_escape() -> None:
    item = "\\*" * 2000
    (message,) = composed([entry(0, item), entry(1, "Ann")])
    assert message.embeds[0].description.endswith("\\*…, Ann")


def test_lines_of_an_item_are_shown_in_one_line() -> None:
    assert description([entry(0, "a\nb\r\n# c\u2028d"), entry(1, "e")]) == (
        "👋 **2 joined** Friday LAN: a b # c d, e"
    )
    assert description([entry(0, "a\n# b"), entry(1, "c")]).endswith(": a # b, c")


def test_item_that_holds_the_place_of_the_count_changes_no_number() -> None:
    heading = f"{COUNT} joined {COUNT}{COUNT}Friday"
    batch = [
        Entry("1", "x", START, Embed(title="t"), Digest("g", heading, name)) for name in ("A", "B")
    ]
    assert description(batch) == "2 joined Friday: A, B"


def test_entries_without_items_are_counted() -> None:
    batch = [
        Entry("1", "bell_rung", START, Embed(title="t"), Digest("bell", f"🔔 {COUNT} rings", "")),
        entry(2, "Ann"),
        Entry("3", "bell_rung", START, Embed(title="t"), Digest("bell", f"🔔 {COUNT} rings", "")),
    ]
    assert description(batch) == "🔔 2 rings\n👋 **1 joined** Friday LAN: Ann"


def test_entry_without_item_counts_in_a_line_with_items() -> None:
    items = ["A" * 2900, "", "B" * 2900]
    batch = [
        Entry(str(n), "x", START, Embed(title="t"), Digest("g", f"{COUNT} rings", item))
        for n, item in enumerate(items)
    ]
    (message,) = composed(batch)
    assert message.embeds[0].description == f"3 rings: {items[0]}"
    assert message.embeds[1].description == f"… {items[2]}"


@pytest.mark.parametrize(("more", "messages_made"), [(0, 1), (1, 2)])
def test_message_is_filled_to_the_last_character(more: int, messages_made: int) -> None:
    # The two emoji count twice.
    told_besides = 2 + len("📋 2 events" + "LANrage" + "👋 **2 joined** Friday LAN: , ")
    batch = [entry(0, "A" * 2990), entry(1, "B" * (6000 - told_besides - 2990 + more))]
    assert len(composed(batch)) == messages_made
    batch = [entry(0, "A" * 2990), entry(1, "B", "left")]
    told_besides += 1 + len("\n👋 **1 left** Friday LAN: B")
    batch.insert(1, entry(2, "C" * (6000 - told_besides - 2990 + more)))
    assert len(composed(batch)) == messages_made


def test_entries_without_any_digest_are_shown_by_their_type() -> None:
    nothing = Entry("1", "bell_rung", START, Embed(title="t"), Digest("", "", ""))
    assert description([nothing, nothing]) == "**Bell Rung** × 2"
    bare = Entry("1", "bell_rung", START, Embed(title="t"), Digest("", "", "Ann"))
    assert description([bare, bare]) == "Ann, Ann"


def test_rest_beyond_max_messages_is_counted_in_the_last_one(broken_limits: BrokenLimits) -> None:
    batch = [entry(n, f"player {n:04}", "left" if n % 4 else "joined") for n in range(2000)]
    first, second = composed(batch, max_messages=2)
    assert first.entries + second.entries == 2000
    assert first.embeds[0].title == f"📋 {first.entries} events"
    assert second.embeds[0].title == f"📋 {second.entries} events"
    assert second.embeds[-1].timestamp == batch[-1].time
    *_, last_line = second.embeds[-1].description.split("\n")
    match = re.fullmatch(r"… and (\d+) more events: (\d+) left, (\d+) joined", last_line)
    assert match is not None
    rest = int(match[1])
    assert int(match[2]) + int(match[3]) == rest
    named = "".join(embed.description for embed in (*first.embeds, *second.embeds))
    assert len(re.findall(r"player \d{4}", named)) == 2000 - rest
    assert rejections(first.body(), broken_limits) == rejections(second.body(), broken_limits) == []


def test_max_messages_that_suffice_change_nothing() -> None:
    batch = [entry(n, f"player {n}") for n in range(700)]
    made = composed(batch)
    assert composed(batch, max_messages=len(made)) == made


def test_rest_of_embeds_becomes_one_counted_embed() -> None:
    batch = [entry(n, f"player {n}") for n in range(30)]
    first, second = composed(batch, style="embeds", max_messages=2)
    assert (first.entries, second.entries) == (10, 20)
    assert [embed.title for embed in second.embeds[:9]] == [
        f"👋 player {n} joined" for n in range(10, 19)
    ]
    assert second.embeds[9].description == "… and 11 more events: 11 joined"
    assert second.embeds[9].timestamp == batch[-1].time


def test_counted_line_names_the_most_frequent_types_and_one_event_in_the_singular() -> None:
    batch = [
        Entry(
            str(n), f"thing_{n % 12:02}_done", START, Embed(title="t"), Digest("g", "h", "i" * 2000)
        )
        for n in range(16)
    ]
    (message,) = composed(batch, max_messages=1)
    assert message.embeds[-1].description.endswith(
        "… and 14 more events: 2 × Thing 02 Done, 2 × Thing 03 Done, 1 × Thing 00 Done, "
        "1 × Thing 01 Done, 1 × Thing 04 Done, 1 × Thing 05 Done, 1 × Thing 06 Done, "
        "1 × Thing 07 Done, "
        "4 of other types"
    )
    (message,) = composed(batch[:3], max_messages=1)
    assert message.embeds[-1].description.endswith("… and 1 more event: 1 × Thing 02 Done")


def test_catching_up_is_a_digest_with_the_events_own_times() -> None:
    batch = [
        entry(0, "Ann"),
        entry(30, "Bob"),
        entry(600, "Cy"),
        entry(700, "Ann", "left"),
        entry(720, "Bob", "left", time=START + timedelta(seconds=710)),
    ]
    for style in ("digest", "embeds"):
        (message,) = composed(batch, style=style, catch_up=True)
        (embed,) = message.embeds
        assert embed.title == "📋 Catching up: 5 events"
        start = int(START.timestamp())
        assert embed.description.split("\n") == [
            f"<t:{start}:t>–<t:{start + 600}:t> 👋 **3 joined** Friday LAN: Ann, Bob, Cy",
            f"<t:{start + 700}:t> 👋 **2 left** Friday LAN: Ann, Bob",
        ]


def test_catching_up_over_more_than_half_a_day_shows_the_dates() -> None:
    batch = [entry(0, "Ann"), entry(1, "Bob", "left", time=START + timedelta(days=1))]
    lines = description(batch, catch_up=True).split("\n")
    assert [line.partition(" ")[0] for line in lines] == [
        f"<t:{int(START.timestamp())}:f>",
        f"<t:{int(START.timestamp()) + 86400}:f>",
    ]


@pytest.mark.parametrize(("seconds", "style"), [(12 * 3600, "t"), (12 * 3600 + 1, "f")])
def test_half_a_day_is_shown_by_the_time_of_day(seconds: int, style: str) -> None:
    assert f":{style}> 👋" in description([entry(0, "Ann"), entry(seconds, "Bob")], catch_up=True)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the system cannot change its time zone")
def test_naive_times_are_taken_for_utc_wherever_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        batch = [entry(0, "Ann", time=START.replace(tzinfo=None)), entry(1, "Bob")]
        assert description(batch, catch_up=True).startswith(f"<t:{int(START.timestamp())}:t> 👋")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_times_of_a_line_span_from_its_earliest_to_its_latest() -> None:
    batch = [entry(300, "Ann"), entry(0, "Bob"), entry(200, "Cy")]
    start = int(START.timestamp())
    assert description(batch, catch_up=True).startswith(f"<t:{start}:t>–<t:{start + 300}:t> ")


@pytest.mark.slow
def test_expired_events_are_shown_beside_the_first_message(broken_limits: BrokenLimits) -> None:
    batch = [entry(n, f"player {n:04}") for n in range(900)]
    first, *others = composed(batch, expired={"peer_joined": 3, "game_ended": 1, "peer_left": 0})
    assert first.embeds[-1].description == (
        "⌛ 4 events expired before they could be posted: 3 joined, 1 game ended"
    )
    assert rejections(first.body(), broken_limits) == []
    assert not any("⌛" in embed.description for message in others for embed in message.embeds)


def test_expired_events_and_the_rest_share_the_last_message(broken_limits: BrokenLimits) -> None:
    batch = [entry(n, f"player {n:04}") for n in range(2000)]
    (message,) = composed(batch, max_messages=1, expired={"peer_left": 2})
    assert rejections(message.body(), broken_limits) == []
    assert "more events" in message.embeds[-2].description
    assert message.embeds[-1].description.startswith("⌛ 2 events expired")


def test_expired_events_get_a_message_of_their_own_if_there_is_no_room() -> None:
    full = entry(0, "Ann", embed=Embed(description="d" * 4096, footer="f" * 1904))
    note, told_message = composed([full], expired={"peer_left": 1})
    assert (note.entries, told_message) == (0, Message(entries=1, embeds=(full.embed,)))
    assert note.embeds[0].description == ("⌛ 1 event expired before it could be posted: 1 left")
    assert [message.entries for message in composed([], expired={"peer_left": 1})] == [0]
    assert composed([], expired={"peer_left": 0}) == []


@pytest.mark.slow
def test_first_message_can_be_made_without_the_others() -> None:
    class Counting(list[Entry]):
        read = 0

        def __getitem__(self, key: Any) -> Any:
            self.read += 1
            return super().__getitem__(key)

    batch = Counting(entry(n, f"player {n}") for n in range(10_000))
    first = next(compose(batch, wording=WORDING))
    assert first.entries < batch.read < first.entries + 10
    assert first.embeds[0].title == f"📋 {first.entries} events"


def calls_for(count: int, **options: Any) -> int:
    """Count the calls that composing takes, which says more than a clock."""
    batch = [entry(n, f"player {n}", "left" if n % 3 else "joined") for n in range(count)]
    calls = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        made = composed(batch, **options)
    finally:
        sys.setprofile(before)

    assert sum(message.entries for message in made) == count
    return calls


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"catch_up": True}, {"style": "embeds"}, {"max_messages": 2}]
)
def test_work_grows_linearly_with_the_entries(options: dict[str, Any]) -> None:
    few = calls_for(1000, **options)
    assert calls_for(8000, **options) < 9 * few


@pytest.mark.parametrize(
    "options",
    [{}, {"catch_up": True}, {"style": "embeds"}, {"max_messages": 1}, {"expired": {"x": 3}}],
)
def test_alert_is_a_message_of_its_own_and_is_counted_nowhere(options: dict[str, Any]) -> None:
    alert = replace(entry(5, "alert"), is_alert=True)
    events = [entry(number, f"player{number}") for number in range(60)]
    for batch in ([alert], [alert, alert], [*events, alert, *events], [alert, *events, alert]):
        messages = composed(batch, **options)
        assert sum(message.entries for message in messages) == len(batch)
        position = 0
        for message in messages:
            shown = batch[position : position + message.entries]
            position += message.entries
            if any(one.is_alert for one in shown):
                assert shown == [alert]
                assert message.embeds[0] == alert.embed
            else:
                assert alert.embed not in message.embeds
                assert "alert" not in str(message)


def test_body_has_what_is_set_and_always_the_mentions() -> None:
    message = Message(
        entries=1,
        embeds=(Embed(title="t"),),
        content=" <@&7> ",
        allowed_mentions={"parse": [], "roles": ("7",)},
        flags=SUPPRESS_NOTIFICATIONS,
        username="LANrage",
        avatar_url="https://example.com/a.png",
        thread_name="Friday",
    )
    assert message.body() == {
        "content": "<@&7>",
        "username": "LANrage",
        "avatar_url": "https://example.com/a.png",
        "thread_name": "Friday",
        "flags": 4096,
        "embeds": [{"title": "t"}],
        "allowed_mentions": {"parse": [], "roles": ["7"]},
    }
    assert Message(entries=1, embeds=(Embed(title="t"),)).body() == {
        "embeds": [{"title": "t"}],
        "allowed_mentions": {"parse": []},
    }
