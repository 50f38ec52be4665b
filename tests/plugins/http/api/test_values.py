from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanrage_events_http._api.values import MAX_PARTS, MAX_VALUE_BYTES, read_array, read_lines
from lanrage_events_http._problem import Problem

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
BLANK = st.text(" \t\r\n", max_size=5)


async def collect(values: AsyncGenerator[Any]) -> list[Any]:
    async with aclosing(values):
        return [value async for value in values]


async def problem(values: AsyncGenerator[Any]) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        await collect(values)

    return caught.value.status, caught.value.detail


def run(values: AsyncGenerator[Any]) -> list[Any]:
    return anyio.run(collect, values)


@pytest.mark.slow
@given(st.lists(JSON, max_size=20), BLANK, st.booleans())
@example([], "", False)
def test_an_array_is_read_as_json_reads_it(items: list[Any], blank: str, is_ascii: bool) -> None:
    body = f"{blank}[{blank}{f'{blank},{blank}'.join(json.dumps(i, ensure_ascii=is_ascii) for i in items)}{blank}]{blank}"

    assert run(read_array(body.encode("utf-8", "replace"))) == json.loads(
        body.encode("utf-8", "replace")
    )


@pytest.mark.slow
@given(st.lists(JSON, max_size=20), st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]))
def test_lines_are_read_as_json_reads_them(items: list[Any], end: str) -> None:
    body = end.join(map(json.dumps, items))

    assert run(read_lines(body.encode())) == items


@pytest.mark.slow
@settings(max_examples=200)
@given(st.text('[]{}",:1e.-+truefalsn \n\\u0aé', max_size=40))
def test_nothing_else_is_taken_for_an_array(text: str) -> None:
    body = f"[{text}"
    try:
        expected = json.loads(body, parse_constant=int)
    except ValueError:
        with pytest.raises(Problem) as caught:
            run(read_array(body.encode()))

        assert caught.value.status == 400
    else:
        assert run(read_array(body.encode())) == expected


@pytest.mark.parametrize(
    "item",
    ["12345", "1.5e-300", "true", "null", "-1.25", '"a \u00fc \\" \\u00e9 b"', '{"a": [1, 2.5e3]}'],
)
@pytest.mark.parametrize("window", range(128 * 1024 - 12, 128 * 1024 + 4))
@pytest.mark.either_backend
async def test_an_item_may_lie_anywhere(item: str, window: int) -> None:
    filler = json.dumps("x" * (window - 5))
    body = f"[{filler}, {item}, 7]".encode()

    assert (await collect(read_array(body)))[1:] == [json.loads(item), 7]


async def test_a_character_may_be_cut() -> None:
    for shift in range(4):
        text = "x" * shift + "😀" * 60_000
        body = json.dumps([text, "ü"], ensure_ascii=False).encode()

        assert await collect(read_array(body)) == [text, "ü"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"[1 2]", "expecting ',' delimiter at line 1 column 4"),
        (b"[1,\n 2\n\n 3]", "expecting ',' delimiter at line 4 column 2"),
        (b"[1,\n\n x]", "expecting value at line 3 column 2"),
        (b"[1", "expecting ',' delimiter at line 1 column 3"),
        (b"[", "expecting value at line 1 column 2"),
        (b"[1] x", "extra data at line 1 column 5"),
        (b"[1][2]", "extra data at line 1 column 4"),
        (b'["a', "unterminated string starting at at line 1 column 2"),
        (b"[" + b" \n" * 200_000 + b"x]", "expecting value at line 200001 column 1"),
        (b'["' + b"x" * 200_000 + b'" y]', "expecting ',' delimiter at line 1 column 200005"),
    ],
)
async def test_an_error_has_its_place(body: bytes, detail: str) -> None:
    assert await problem(read_array(body)) == (400, f"the body is not JSON: {detail}")


@pytest.mark.parametrize("before", [0, 200_000])
async def test_a_byte_that_is_not_utf8_has_its_place(before: int) -> None:
    body = b'["' + b"x" * before + b'\xff"]'

    expected = 400, f"the body is not UTF-8: the byte at position {before + 2} is wrong"
    assert await problem(read_array(body)) == expected
    assert await problem(read_lines(b"\n" + body)) == (
        400,
        expected[1].replace(str(before + 2), str(before + 3)),
    )


@pytest.mark.parametrize("read", [read_array, read_lines])
async def test_a_mark_at_the_beginning_is_skipped(read: Any) -> None:
    assert await collect(read(b"\xef\xbb\xbf[1]")) in ([1], [[1]])
    assert await collect(read(b'\xef\xbb\xbf{"a": 1}')) == [{"a": 1}]


@pytest.mark.parametrize("read", [read_array, read_lines])
@pytest.mark.parametrize(
    "item",
    [
        b'"' + b"x" * MAX_VALUE_BYTES + b'"',
        b"[" + b"0," * MAX_PARTS * 10 + b"0]",
        b"[" + b"[]," * MAX_PARTS + b"[]]",
        b"{" + b'"":{},' * MAX_PARTS + b'"":0}',
    ],
)
async def test_a_value_that_is_too_large_is_rejected(read: Any, item: bytes) -> None:
    body = item if read is read_lines else b"[1, " + item + b"]"
    status, detail = await problem(read(body))

    assert status == 413
    assert "1,048,576 bytes and 10,000 values at most" in detail
    assert detail.startswith("line 1 is" if read is read_lines else "event 2 is")


async def test_one_value_without_an_array_has_the_same_limits() -> None:
    assert (await problem(read_array(b'{"a": "' + b"x" * MAX_VALUE_BYTES + b'"}')))[0] == 413
    assert (await problem(read_array(b'{"a": [' + b"0," * MAX_PARTS + b"0]}")))[0] == 413


async def test_a_value_may_be_large() -> None:
    values = ["x" * (MAX_VALUE_BYTES - 3_000), ["x"] * (MAX_PARTS - 5), {"a": "ü" * 500_000}]

    assert await collect(read_array(json.dumps(values, ensure_ascii=False).encode())) == values
    lines = "\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    assert await collect(read_lines(lines.encode())) == values


@pytest.mark.slow
@pytest.mark.parametrize(
    ("read", "body"),
    [
        (read_array, json.dumps(["x" * 50_000] * 400).encode()),
        (read_array, b" " * 80_000_000 + b"[1]"),
        (read_array, b"[" + b" " * 80_000_000 + b"1]"),
        (read_lines, b"\n".join([b"1" + b" " * 500_000] * 160)),
        (read_lines, b"\n" * 80_000_000),
    ],
)
@pytest.mark.either_backend
async def test_others_have_their_turn_meanwhile(read: Any, body: bytes) -> None:
    turns = 0
    is_over = False

    async def count() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await collect(read(body))
        is_over = True

    assert turns > 1
