from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord.testing._form import Form
from lanrage_events_discord.testing._messages.checks import check_message
from lanrage_events_discord.testing._reply import flatten

V2 = 1 << 15
LINK = {"type": 2, "style": 5, "label": "Join", "url": "https://example.com/"}
INTERACTIVE = "Only webhooks of an application can send interactive components"
LEGACY = " cannot be used when using MessageFlags.IS_COMPONENTS_V2"
REQUIRED = "This field is required"
TYPE = 'Value of field "type" must be one of {}.'
SCHEME = "Scheme \"{}\" is not supported. Scheme must be one of ('http', 'https')."


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
        {"poll": poll(duration=2.0, allow_multiselect=True, layout_type=1)},
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
                "components.1.type: This field is required",
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
            [f"components.0.type: {TYPE.format('(1,)')}"],
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
            {"components": [row({**LINK, "label": ""})]},
            ["components.0.components.0.label: This field is required"],
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
            (
                {"components": [row({"type": kind, "custom_id": "x"})]},
                [f"components.0.components.0: {INTERACTIVE}"],
            )
            for kind in (3, 5, 6, 7, 8)
        ),
        (
            {"components": [row({"type": 99})]},
            [
                f"components.0.components.0.type: {TYPE.format('(2, 3, 5, 6, 7, 8)')}",
            ],
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
        ({"poll": poll(duration=1.5)}, ['poll.duration: Value "1.5" is not int.']),
        ({"poll": poll(layout_type=2)}, ["poll.layout_type: Value must be one of {1}."]),
        (
            {"poll": poll(allow_multiselect="some")},
            ["poll.allow_multiselect: Must be either true or false."],
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


TEXT = {"type": 10, "content": "text"}
PICTURE = {"media": {"url": "https://example.com/a.png"}}
THUMBNAIL = {"type": 11, **PICTURE}
GALLERY = {"type": 12, "items": [PICTURE]}
FILE = {"type": 13, "file": {"url": "attachment://a.zip"}}
SEPARATOR = {"type": 14}
BUTTON = {"type": 2, "style": 1, "custom_id": "x", "label": "x"}
SELECT = {"type": 3, "custom_id": "y", "options": []}


def section(*children: object, accessory: object = THUMBNAIL) -> dict[str, Any]:
    return {"type": 9, "components": list(children), "accessory": accessory}


def container(*children: object, **changes: object) -> dict[str, Any]:
    return {"type": 17, "components": list(children), **changes}


def layout_problems(*components: object, files: tuple[str, ...] = ("a.zip",)) -> list[str]:
    form = Form()
    body = {"flags": V2, "components": list(components)}
    check_message(form, body, with_components=True, kept=files)
    return [problem.removeprefix("components.") for problem in flatten(form.errors)]


LAYOUTS = {
    "row": row(LINK),
    "section": section(TEXT),
    "text": TEXT,
    "gallery": GALLERY,
    "file": FILE,
    "separator": SEPARATOR,
}


@pytest.mark.parametrize("component", LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_stands_alone_and_in_a_container(component: dict[str, Any]) -> None:
    assert layout_problems(component) == []
    assert layout_problems(container(component)) == []


# https://docs.discord.com/developers/components/reference: which component may be in which.
PLACES: dict[str, tuple[Any, set[int]]] = {
    "message": (lambda child: child, {1, 9, 10, 12, 13, 14, 17}),
    "container": (container, {1, 9, 10, 12, 13, 14}),
    "section": (section, {10}),
    "accessory": (lambda child: section(TEXT, accessory=child), {2, 11}),
    "row": (row, {2, 3, 5, 6, 7, 8}),
}


@pytest.mark.parametrize("kind", [*range(1, 26), 0, 99, -1, True, "1", None])
@pytest.mark.parametrize("place", PLACES)
def test_each_place_takes_only_its_types(place: str, kind: Any) -> None:
    make, allowed = PLACES[place]
    found = [problem.partition(".type: ") for problem in layout_problems(make({"type": kind}))]
    wrong = [words for _, sign, words in found if sign]
    if kind in allowed and not isinstance(kind, bool):
        assert wrong == []
    elif kind is None:
        assert wrong == [REQUIRED]
    else:
        assert len(wrong) == 1
        assert wrong[0].startswith('Value of field "type" must be one of (')


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (section(), [f"0.components: {REQUIRED}"]),
        (section(*[TEXT] * 4), ["0.components: Must be 3 or fewer in length."]),
        ({"type": 9, "components": [TEXT]}, [f"0.accessory: {REQUIRED}"]),
        (container(), [f"0.components: {REQUIRED}"]),
        (container(TEXT, accent_color=0xFFFFFF, spoiler=True), []),
        (
            container(TEXT, accent_color=0x1000000),
            ["0.accent_color: int value should be less than or equal to 16777215."],
        ),
        (container(TEXT, spoiler="maybe"), ["0.spoiler: Must be either true or false."]),
        ({"type": 12, "items": []}, [f"0.items: {REQUIRED}"]),
        ({"type": 12, "items": [PICTURE] * 10}, []),
        ({"type": 12, "items": [PICTURE] * 11}, ["0.items: Must be 10 or fewer in length."]),
        ({"type": 12, "items": [{}]}, [f"0.items.0.media: {REQUIRED}"]),
        (
            {"type": 12, "items": [{**PICTURE, "description": "x" * 1025}]},
            ["0.items.0.description: Must be 1024 or fewer in length."],
        ),
        (
            section(TEXT, accessory={"type": 11, "media": {"url": "ftp://example.com/a.png"}}),
            [
                f"0.accessory.media.url: {SCHEME.format('ftp')}",
            ],
        ),
        (
            {"type": 13, "file": {"url": "https://example.com/a.zip"}},
            ["0.file.url: Scheme must be one of ('attachment',)."],
        ),
        (
            {"type": 13, "file": {"url": "attachment://b.zip"}},
            ['0.file.url: The referenced attachment "b.zip" was not found'],
        ),
        (
            {"type": 12, "items": [{"media": {"url": "attachment://b.png"}}]},
            ['0.items.0.media.url: The referenced attachment "b.png" was not found'],
        ),
        ({"type": 13}, [f"0.file: {REQUIRED}"]),
        ({"type": 14, "divider": False, "spacing": 2}, []),
        (
            {"type": 14, "spacing": 3},
            ["0.spacing: int value should be less than or equal to 2."],
        ),
        ({"type": 14, "divider": []}, ["0.divider: Must be either true or false."]),
        ({"type": 10}, [f"0.content: {REQUIRED}"]),
        (
            {"type": 10, "content": " "},
            ["0.content: Must be between 1 and 4000 in length."],
        ),
        (
            row(BUTTON, SELECT),
            [
                "0.components: The specified component exceeds the maximum width",
                f"0.components.0: {INTERACTIVE}",
                f"0.components.1: {INTERACTIVE}",
            ],
        ),
        (
            row(BUTTON, BUTTON),
            [
                f"0.components.0: {INTERACTIVE}",
                f"0.components.1: {INTERACTIVE}",
                "0.components.1.custom_id: Component custom id cannot be duplicated",
            ],
        ),
        (row({**LINK, "style": None}), [f"0.components.0.style: {REQUIRED}"]),
        (
            row({**LINK, "style": 7}),
            ["0.components.0.style: Value must be one of {1, 2, 3, 4, 5, 6}."],
        ),
        (
            row({**LINK, "custom_id": "x", "sku_id": "1"}),
            [
                "0.components.0.custom_id: A button of this style cannot have a custom_id",
                "0.components.0.sku_id: A button of this style cannot have a sku_id",
            ],
        ),
        (
            row({**BUTTON, "url": "https://example.com/"}),
            [
                f"0.components.0: {INTERACTIVE}",
                "0.components.0.url: A button of this style cannot have a url",
            ],
        ),
        (
            row({"type": 2, "style": 6, "label": "x"}),
            [
                f"0.components.0: {INTERACTIVE}",
                "0.components.0.label: A button of this style cannot have a label",
                f"0.components.0.sku_id: {REQUIRED}",
            ],
        ),
        ({**TEXT, "id": 0}, []),
        ({**TEXT, "id": -1}, ["0.id: int value should be greater than or equal to 0."]),
        (
            {**TEXT, "id": 1 << 31},
            ["0.id: int value should be less than or equal to 2147483647."],
        ),
        ({**TEXT, "id": "one"}, ['0.id: Value "one" is not int.']),
        (
            container({**TEXT, "id": 7}, id=7),
            ["0.components.0.id: Component id cannot be duplicated"],
        ),
    ],
)
def test_a_component_keeps_to_its_rules(component: object, expected: list[str]) -> None:
    assert sorted(layout_problems(component)) == sorted(expected)


@pytest.mark.parametrize(("count", "expected"), [(3, []), (4, ["4000"])])
def test_the_texts_of_a_message_have_a_bound_together(count: int, expected: list[str]) -> None:
    texts = [{"type": 10, "content": "x" * 1999}, *[{"type": 10, "content": "y"}] * 3][:count]
    found = layout_problems(*texts, container({"type": 10, "content": "z" * 1999}))
    assert [problem.rpartition(" ")[2] for problem in found] == expected


def test_components_are_shown_with_ids_and_defaults() -> None:
    form = Form()
    body = {
        "flags": V2,
        "components": [
            {**TEXT, "id": 2},
            container(section(TEXT), SEPARATOR, {**FILE, "id": 0}, id=100),
            GALLERY,
        ],
    }
    components = check_message(form, body, with_components=True, kept=["a.zip"]).components
    assert components is not None
    assert not form.errors
    first, box, gallery = components
    aside, separator, file = box["components"]
    ids = [item["id"] for item in (first, box, aside, aside["components"][0], aside["accessory"])]
    assert ids == [2, 100, 1, 3, 4]
    assert [separator["id"], file["id"], gallery["id"]] == [5, 6, 7]
    assert (separator["divider"], separator["spacing"]) == (True, 1)
    assert gallery["items"][0]["spoiler"] is False
    assert FILE == {"type": 13, "file": {"url": "attachment://a.zip"}}


_TREES = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from([2, 10, 11, 12, 13, 14])})
    | st.sampled_from([LINK, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR]),
    lambda children: st.fixed_dictionaries(
        {"type": st.sampled_from([1, 9, 17]), "components": st.lists(children, max_size=4)},
        optional={"accessory": children, "id": st.integers(0, 3)},
    ),
    max_leaves=30,
)


@pytest.mark.slow
@given(st.lists(_TREES, max_size=5))
def test_ids_are_unique_in_each_legal_message(trees: list[Any]) -> None:
    form = Form()
    body = {"flags": V2, "components": trees}
    components = check_message(form, body, with_components=True, kept=["a.zip"]).components
    if form.errors:
        return

    ids = list(_ids(components))
    assert len(set(ids)) == len(ids) <= 40
    assert all(number >= 1 for number in ids)


def _ids(value: object) -> Iterator[int]:
    if isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, dict):
        if "type" in value:
            yield value["id"]

        for item in value.values():
            yield from _ids(item)
