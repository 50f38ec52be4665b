from __future__ import annotations

from typing import Any

import pytest

from lanrage_events_discord.testing._form import Form
from lanrage_events_discord.testing._reply import flatten
from lanrage_events_discord.testing._validation import check_message

V2 = 1 << 15
LINK = {"type": 2, "style": 5, "label": "Join", "url": "https://example.com/"}
INTERACTIVE = "Only webhooks of an application can send interactive components"
LEGACY = " cannot be used when using MessageFlags.IS_COMPONENTS_V2"
REQUIRED = "This field is required"


def row(*components: object) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def poll(**changes: object) -> dict[str, Any]:
    answers = [{"poll_media": {"text": "yes"}}, {"poll_media": {"text": "no"}}]
    return {"question": {"text": "Again?"}, "answers": answers, "duration": 24, **changes}


def problems(body: dict[str, Any], *, with_components: bool = True) -> list[str]:
    form = Form()
    check_message(form, body, with_components=with_components)
    return list(flatten(form.errors))


@pytest.mark.parametrize(
    "body",
    [
        {"components": None},
        {"components": [row(*[LINK] * 5)] * 5},
        {"components": [row({**LINK, "label": "x" * 80})]},
        {"components": [row({**LINK, "url": "https://a.example/" + "x" * 494})]},
        {"flags": V2, "components": [{"type": 10, "content": "text"}] * 40},
        {"flags": V2, "components": [{"type": 17, "components": [{"type": 14}] * 39}]},
        {
            "flags": V2,
            "components": [
                {"type": 9, "components": [{"type": 10, "content": "x"}], "accessory": LINK}
            ],
        },
        {"poll": None},
        {"poll": poll()},
        {"poll": poll(question={"text": "x" * 300}, duration=768)},
        {"poll": poll(answers=[{"poll_media": {"text": "x" * 55}}] * 10)},
    ],
)
def test_components_and_polls_within_the_limits_are_legal(body: dict[str, Any]) -> None:
    assert problems(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"components": {}}, ["components: Only iterables may be used in a ListType"]),
        (
            {"components": [None, {}]},
            [
                "components.0: This field is required",
                "components.1.type: Value must be one of (1,).",
                "components.1.type: int value should be greater than or equal to 1.",
            ],
        ),
        ({"components": [row(LINK)] * 6}, ["components: Must be 5 or fewer in length."]),
        (
            {"components": [row(*[LINK] * 6)]},
            ["components.0.components: Must be 5 or fewer in length."],
        ),
        ({"components": [row()]}, [f"components.0.components: {REQUIRED}"]),
        (
            {"components": [{"type": 10, "content": "x"}]},
            ["components.0.type: Value must be one of (1,)."],
        ),
        (
            {"flags": V2, "components": [{"type": 14}] * 41},
            ["components: Must be 40 or fewer in length."],
        ),
        (
            {"flags": V2, "components": [{"type": 17, "components": [{"type": 14}] * 40}]},
            ["components: Must be 40 or fewer in length."],
        ),
        (
            {"components": [row({**LINK, "label": "x" * 81})]},
            ["components.0.components.0.label: Must be 80 or fewer in length."],
        ),
        (
            {"components": [row({**LINK, "url": "https://a.example/" + "x" * 495})]},
            ["components.0.components.0.url: Must be 512 or fewer in length."],
        ),
        (
            {"components": [row({**LINK, "url": None})]},
            [f"components.0.components.0.url: {REQUIRED}"],
        ),
        (
            {"components": [row({"type": 2, "style": 1, "custom_id": "x" * 101})]},
            [
                f"components.0.components.0: {INTERACTIVE}",
                "components.0.components.0.custom_id: Must be between 1 and 100 in length.",
            ],
        ),
        *(
            ({"components": [row({"type": kind})]}, [f"components.0.components.0: {INTERACTIVE}"])
            for kind in (3, 5, 6, 7, 8)
        ),
        (
            {"components": [row({"type": 99})]},
            ["components.0.components.0.type: int value should be less than or equal to 25."],
        ),
        (
            {"flags": V2, "content": "x", "embeds": [{"title": "x"}], "components": [{"type": 14}]},
            [
                "content: The 'content' field" + LEGACY,
                "embeds: The 'embeds' field" + LEGACY,
            ],
        ),
        ({"poll": []}, ["poll: Only dictionaries may be used in a DictType"]),
        ({"poll": poll(question=None)}, [f"poll.question: {REQUIRED}"]),
        (
            {"poll": poll(question={"text": "x" * 301})},
            ["poll.question.text: Must be 300 or fewer in length."],
        ),
        ({"poll": poll(answers=[])}, [f"poll.answers: {REQUIRED}"]),
        (
            {"poll": poll(answers=[{"poll_media": {"text": "x"}}] * 11)},
            ["poll.answers: Must be 10 or fewer in length."],
        ),
        (
            {"poll": poll(answers=[{"poll_media": {"text": "x" * 56}}])},
            ["poll.answers.0.poll_media.text: Must be 55 or fewer in length."],
        ),
        (
            {"poll": poll(duration=769)},
            ["poll.duration: int value should be less than or equal to 768."],
        ),
    ],
)
def test_components_and_polls_beyond_a_limit_are_rejected(
    body: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(problems(body)) == sorted(expected)


def test_without_with_components_they_are_ignored() -> None:
    body = {"flags": V2, "content": "x", "components": [row({"type": 3})] * 50}
    assert problems(body, with_components=False) == []
