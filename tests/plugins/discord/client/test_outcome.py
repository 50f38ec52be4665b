from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events_discord._client import Outcome, OutcomeKind
from lanrage_events_discord._client.outcome import (
    BLOCKED_RETRY_AFTER,
    DEFAULT_RETRY_AFTER,
    DiscordError,
    RateLimit,
    classify,
)

DELIVERED = OutcomeKind.DELIVERED
RETRY_AFTER = OutcomeKind.RETRY_AFTER
RETRY = OutcomeKind.RETRY
DEAD = OutcomeKind.DEAD
LANE_DEAD = OutcomeKind.LANE_DEAD

NOW = "Wed, 21 Oct 2026 07:26:30 GMT"
CLOUDFLARE_PAGE = b"<html><head><title>Access denied</title></head>error code: 1015</html>"


def answer(status: int, data: object, **headers: str) -> Outcome:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(status, names, json.dumps(data).encode())


def kind_of_status(status: int) -> OutcomeKind:
    if 200 <= status <= 299:
        return DELIVERED

    if status == 429:
        return RETRY_AFTER

    if status in (401, 403, 404, 410):
        return LANE_DEAD

    if status in (407, 408, 409, 421, 425):
        return RETRY

    if 400 <= status <= 499:
        return DEAD

    return RETRY


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_one_meaning(status: int) -> None:
    for body in (b"", b"{}", b'{"message": "m", "code": 0}'):
        outcome = classify(status, {}, body)
        if status == 429 and body:
            # Discord's own answer would say when to come again.
            assert outcome.is_blocked

        assert outcome.kind is kind_of_status(status)
        assert outcome.status == status
        assert f"HTTP {status}" in outcome.reason
        assert (outcome.retry_after is not None) == (status == 429)


@pytest.mark.parametrize("status", [0, 99, 600, 999])
def test_status_that_does_not_exist_is_tried_again(status: int) -> None:
    assert classify(status, {}, b"").kind is RETRY


# The codes that Discord's documentation has for webhooks, with the status that each comes with.
CODES = [
    (404, 10003, LANE_DEAD, "channel or thread does not exist"),
    (404, 10008, DEAD, "does not exist any more"),
    (404, 10015, LANE_DEAD, "the webhook was deleted"),
    (429, 20016, RETRY_AFTER, "slow mode"),
    (429, 20028, RETRY_AFTER, "channel takes no more"),
    (429, 20029, RETRY_AFTER, "server takes no more"),
    (429, 30046, RETRY_AFTER, "old messages of this channel are edited too often"),
    (400, 40004, RETRY, "switched off sending"),
    (413, 40005, DEAD, "too large"),
    (403, 40006, RETRY, "switched off this feature"),
    (400, 40058, LANE_DEAD, "thread_id or thread_name"),
    (429, 40062, RETRY_AFTER, "short of resources"),
    (400, 40067, LANE_DEAD, "a tag"),
    (403, 40333, RETRY_AFTER, "Cloudflare blocks"),
    (403, 50001, LANE_DEAD, "does not permit"),
    (400, 50006, DEAD, "empty"),
    (403, 50013, LANE_DEAD, "does not permit"),
    (401, 50027, LANE_DEAD, "token of the webhook URL is wrong"),
    (400, 50035, DEAD, "invalid"),
    (400, 50083, LANE_DEAD, "archived"),
    (400, 50109, DEAD, "JSON"),
    (503, 130000, RETRY, "overloaded"),
    (400, 160005, LANE_DEAD, "locked"),
    (400, 160006, RETRY, "too many active threads"),
    (400, 200000, DEAD, "automatic moderation"),
    (400, 200001, DEAD, "automatic moderation"),
    (400, 220001, LANE_DEAD, "thread_id or thread_name"),
    (400, 220002, LANE_DEAD, "at most one of thread_id and thread_name"),
    (400, 220003, LANE_DEAD, "thread: true of cards, are only for forum channels"),
    (400, 220004, LANE_DEAD, "forum"),
    (400, 240000, DEAD, "harmful links"),
    (400, 99999, DEAD, "rejected"),
    (503, 99999, RETRY, "internal error"),
]


@pytest.mark.parametrize(("status", "code", "kind", "reason"), CODES)
def test_discords_code_decides(status: int, code: int, kind: OutcomeKind, reason: str) -> None:
    outcome = answer(status, {"message": "said by Discord", "code": code}, via="1.1 google")
    assert (outcome.kind, outcome.status, outcome.code) == (kind, status, code)
    assert reason in outcome.reason
    assert outcome.reason.endswith(f"(HTTP {status}, code {code}): said by Discord")
    assert (outcome.retry_after is not None) == (kind is RETRY_AFTER)


@pytest.mark.parametrize(("said", "seconds"), [({"retry_after": 2.5}, 2.5), ({}, 6.0)])
def test_edits_of_old_messages_wait_as_discord_asks_and_not_for_the_bucket(
    said: dict[str, float], seconds: float
) -> None:
    headers = {"via": "1.1 google", "x-ratelimit-remaining": "4", "x-ratelimit-reset-after": "1.2"}
    outcome = classify(429, headers, json.dumps({"code": 30046, **said}).encode())
    assert (outcome.kind, outcome.retry_after) == (RETRY_AFTER, seconds)


def test_code_decides_whatever_the_status() -> None:
    for status in (400, 401, 403, 404, 429, 500):
        assert answer(status, {"code": 10015}).kind is LANE_DEAD
        assert answer(status, {"code": 50035}).kind is DEAD


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"not JSON", b'{"id": 5}', b'{"id": "x"}'])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_needs_no_body(status: int, body: bytes) -> None:
    outcome = classify(status, {}, body)
    assert (outcome.kind, outcome.message_id, outcome.channel_id) == (DELIVERED, None, None)


def test_success_reports_message_and_channel() -> None:
    outcome = answer(200, {"id": "111", "channel_id": "222", "content": ""})
    assert (outcome.kind, outcome.message_id, outcome.channel_id) == (DELIVERED, "111", "222")
    assert (outcome.is_global, outcome.is_blocked) == (False, False)


def test_web_page_in_place_of_an_answer_is_not_a_success() -> None:
    page = b"\n<!doctype html><title>Log in to this network</title>"
    outcome = classify(200, {"Content-Type": "text/html; charset=utf-8"}, page)
    assert outcome.kind is RETRY
    assert "web page" in outcome.reason
    assert classify(200, {"content-type": "text/html"}, b"").kind is DELIVERED


def test_retry_after_of_the_body_goes_before_the_header() -> None:
    body = {"message": "You are being rate limited.", "retry_after": 64.57, "global": False}
    outcome = answer(429, body, Retry_After="65", X_RateLimit_Scope="user", via="1.1 google")
    assert (outcome.kind, outcome.retry_after) == (RETRY_AFTER, 64.57)
    assert (outcome.scope, outcome.is_global, outcome.is_blocked) == ("user", False, False)


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"retry_after": 0}, {"retry-after": "7"}, 0.0),
        ({"retry_after": "1.5"}, {}, 1.5),
        ({"retry_after": -1}, {"retry-after": "7"}, 7.0),
        ({"retry_after": True}, {"retry-after": "7"}, 7.0),
        ({"retry_after": "soon"}, {"retry-after": "7"}, 7.0),
        ({"retry_after": 10**400}, {"retry-after": "7"}, 7.0),
        ({"retry_after": float("nan")}, {"retry-after": "7"}, 7.0),
        ({"retry_after": float("inf")}, {}, DEFAULT_RETRY_AFTER),
        ({"retry_after": 1e9}, {}, 86400.0),
        ({"retry_after": None}, {"x-ratelimit-reset-after": "0.4"}, 0.4),
        ({"retry_after": None}, {"retry-after": "0.5"}, 0.5),
        ({"retry_after": None}, {"retry-after": "-7"}, DEFAULT_RETRY_AFTER),
        ({"retry_after": None}, {"retry-after": "9" * 30}, 86400.0),
        ({}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": NOW}, 90.0),
        ({}, {"retry-after": "Wednesday, 21-Oct-26 07:28:00 GMT", "date": NOW}, 90.0),
        ({}, {"retry-after": "Wed Oct 21 07:28:00 2026", "date": NOW}, 90.0),
        ({}, {"retry-after": "Wed, 21 Oct 2026 09:28:00 +0200", "date": NOW}, 90.0),
        ({}, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": NOW}, 0.0),
        ({}, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "today"}, 0.0),
        ({}, {"retry-after": "Fri, 21 Oct 9998 07:28:00 GMT"}, 86400.0),
        (
            {"retry_after": None},
            {"retry-after": "Wed, 31 Feb 2026 07:28:00 GMT"},
            DEFAULT_RETRY_AFTER,
        ),
        ({"retry_after": 3}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": NOW}, 3.0),
        ({"retry_after": None}, {}, DEFAULT_RETRY_AFTER),
    ],
)
def test_wait_is_always_a_number_that_makes_sense(
    body: dict[str, Any], headers: Mapping[str, str], expected: float
) -> None:
    outcome = classify(429, headers, json.dumps(body).encode())
    assert (outcome.kind, outcome.retry_after) == (RETRY_AFTER, expected)


def test_429_without_a_body_waits_a_little() -> None:
    outcome = classify(429, {}, b"")
    assert (outcome.retry_after, outcome.is_blocked) == (DEFAULT_RETRY_AFTER, False)


def test_outage_may_say_when_to_come_again() -> None:
    outcome = classify(503, {"Retry-After": "30"}, b"<html>")
    assert (outcome.kind, outcome.retry_after) == (RETRY, 30.0)


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("via", [{}, {"Via": "1.1 a proxy on the way"}])
def test_page_of_cloudflare_is_waited_out_for_long(status: int, via: dict[str, str]) -> None:
    outcome = classify(status, {"Content-Type": "text/html", **via}, CLOUDFLARE_PAGE)
    assert (outcome.kind, outcome.retry_after) == (RETRY_AFTER, BLOCKED_RETRY_AFTER)
    assert outcome.is_blocked
    assert "Cloudflare" in outcome.reason
    assert "html" not in outcome.reason


def test_cloudflare_may_say_when_to_come_again() -> None:
    outcome = classify(429, {"Retry-After": "3600"}, b"error code: 1015")
    assert (outcome.retry_after, outcome.is_blocked) == (3600.0, True)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"retry_after": 1, "global": True}, {}),
        ({"retry_after": 1}, {"X-RateLimit-Global": "true"}),
        ({"retry_after": 1}, {"X-RateLimit-Scope": "global"}),
    ],
)
def test_global_limit_is_reported(body: dict[str, Any], headers: Mapping[str, str]) -> None:
    assert classify(429, headers, json.dumps(body).encode()).is_global


@pytest.mark.parametrize(
    ("value", "scope"), [("user", "user"), ("SHARED", "shared"), ("galactic", None), ("", None)]
)
def test_scope_is_one_of_discords(value: str, scope: str | None) -> None:
    outcome = answer(429, {"retry_after": 1336.57}, X_RateLimit_Scope=value)
    assert (outcome.scope, outcome.is_global) == (scope, False)


def test_rate_limit_is_read_from_the_headers_of_every_answer() -> None:
    headers = {
        "X-RateLimit-Limit": "5",
        "x-ratelimit-remaining": "0",
        "X-RateLimit-Reset": "1700000000.2",
        "X-RateLimit-Reset-After": "1.25",
        "X-RateLimit-Bucket": "abcd1234",
    }
    expected = RateLimit(limit=5, remaining=0, reset_after=1.25)
    for status in (200, 204, 400, 404, 429, 500):
        assert classify(status, headers, b"").rate_limit == expected

    assert classify(204, {}, b"").rate_limit == RateLimit()
    broken = dict.fromkeys(headers, "-1")
    assert classify(204, broken, b"").rate_limit == RateLimit()


def test_nested_errors_name_path_and_embed() -> None:
    outcome = answer(
        400,
        {
            "code": 50035,
            "message": "Invalid Form Body",
            "errors": {
                "embeds": {
                    "3": {
                        "description": {
                            "_errors": [
                                {
                                    "code": "BASE_TYPE_MAX_LENGTH",
                                    "message": "Must be 4096 or fewer in length.",
                                }
                            ]
                        }
                    },
                    "1": {
                        "fields": {
                            "0": {
                                "name": {"_errors": [{"code": "REQUIRED", "message": "Required"}]}
                            }
                        }
                    },
                }
            },
        },
    )
    assert outcome.errors == (
        DiscordError(
            "embeds.3.description", "BASE_TYPE_MAX_LENGTH", "Must be 4096 or fewer in length."
        ),
        DiscordError("embeds.1.fields.0.name", "REQUIRED", "Required"),
    )
    assert outcome.bad_embeds == (1, 3)
    assert outcome.reason == (
        "Discord finds the message invalid (HTTP 400, code 50035): "
        "embeds.3.description: Must be 4096 or fewer in length."
    )


@pytest.mark.parametrize(
    ("errors", "path", "bad_embeds"),
    [
        (
            {"embeds": {"_errors": [{"code": "MAX_EMBED_SIZE_EXCEEDED", "message": "m"}]}},
            "embeds",
            (),
        ),
        ({"_errors": [{"code": "X", "message": "m"}]}, "", ()),
        ({"content": {"_errors": [{"code": "X", "message": "m"}]}}, "content", ()),
        ({"embeds": {"first": {"_errors": [{"code": "X", "message": "m"}]}}}, "embeds.first", ()),
        ({"embeds": {"0": {"_errors": [{"code": "X", "message": "m"}]}}}, "embeds.0", (0,)),
        ({"embeds": {"9999": {"_errors": [{"code": "X", "message": "m"}]}}}, "embeds.9999", ()),
    ],
)
def test_embed_is_at_error_only_if_it_is_named(
    errors: dict[str, Any], path: str, bad_embeds: tuple[int, ...]
) -> None:
    outcome = answer(400, {"code": 50035, "message": "Invalid Form Body", "errors": errors})
    assert [error.path for error in outcome.errors] == [path]
    assert outcome.bad_embeds == bad_embeds


@pytest.mark.parametrize(
    ("data", "errors", "bad_embeds"),
    [
        (
            {"embeds": ["0", "2"]},
            ["embeds.0: is invalid", "embeds.2: is invalid"],
            (0, 2),
        ),
        (
            {"embeds": ["Must be 10 or fewer in length."]},
            ["embeds: Must be 10 or fewer in length."],
            (),
        ),
        ({"content": ["Must be 2000 or fewer."]}, ["content: Must be 2000 or fewer."], ()),
    ],
)
def test_old_form_of_errors_is_understood(
    data: dict[str, Any], errors: list[str], bad_embeds: tuple[int, ...]
) -> None:
    outcome = answer(400, data)
    assert (outcome.kind, outcome.bad_embeds) == (DEAD, bad_embeds)
    assert [str(error) for error in outcome.errors] == errors


def test_hostile_errors_are_bounded() -> None:
    deep: dict[str, Any] = {"_errors": [{"code": "X", "message": "deep"}]}
    for _ in range(200):
        deep = {"x": deep}

    wide = {str(n): {"_errors": [{"code": "c" * 999, "message": "m\n" * 999}]} for n in range(99)}
    outcome = answer(400, {"code": 50035, "errors": {"deep": deep, "embeds": wide}})
    assert len(outcome.errors) == 50
    assert all(len(error.message) <= 300 and "\n" not in error.message for error in outcome.errors)
    assert len(outcome.reason) <= 300
    assert classify(400, {}, b'{"errors":' + b"[" * 100_000).kind is DEAD
    assert classify(400, {}, b'{"errors":{"_errors":[7,{}]}}').errors == (DiscordError("", "", ""),)


def test_discords_words_cannot_break_the_line() -> None:
    outcome = answer(400, {"code": 1, "message": "two\nlines\u202e"})
    assert outcome.reason == "Discord rejected the message (HTTP 400, code 1): two lines "


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda children: st.one_of(
        st.lists(children, max_size=4), st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=20,
)
known_keys = st.sampled_from(
    ["code", "message", "errors", "retry_after", "global", "id", "channel_id", "embeds"]
)
bodies = st.one_of(
    st.binary(max_size=50),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(known_keys, json_values).map(lambda value: json.dumps(value).encode()),
)
header_values = st.one_of(st.text(max_size=12), st.sampled_from(["0", "1.5", "nan", "-inf", "²"]))
headers = st.dictionaries(
    st.sampled_from(
        ["Retry-After", "Via", "Content-Type", "X-RateLimit-Limit", "X-RateLimit-Remaining"]
        + ["X-RateLimit-Reset-After", "X-RateLimit-Bucket", "X-RateLimit-Scope"]
    ),
    header_values,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.integers(100, 599), headers, bodies)
def test_any_answer_is_classified(status: int, given_headers: dict[str, str], body: bytes) -> None:
    outcome = classify(status, given_headers, body)
    assert outcome.kind in OutcomeKind
    assert outcome.reason.isprintable()
    assert len(outcome.reason) <= 300
    for seconds in (outcome.retry_after, outcome.rate_limit.reset_after):
        assert seconds is None or 0 <= seconds <= 86400

    if outcome.kind is RETRY_AFTER:
        assert outcome.retry_after is not None

    if 200 <= status <= 299:
        assert outcome.kind in (DELIVERED, RETRY)
    else:
        assert outcome.kind is not DELIVERED
