from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord.testing._body import read_body
from lanrage_events_discord.testing._messages import UploadedFile

MIB = 1024 * 1024


def code(body: bytes, content_type: str = "application/json") -> int | None:
    rejection = read_body(content_type, body).rejection
    return None if rejection is None else rejection.code


def test_no_body_says_nothing() -> None:
    body = read_body("", b"")
    assert (body.data, body.files, body.rejection) == (None, (), None)


@pytest.mark.slow
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_json_is_read(data: dict[str, object]) -> None:
    raw = json.dumps(data).encode()
    assert read_body("Application/JSON; charset=utf-8", raw).data == data


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null"])
def test_json_that_is_not_an_object_is_a_form_error(raw: bytes) -> None:
    assert code(raw) == 50035


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", b'{"a": Infinity}', b"{'a': 1}", b"[" * 99_999, b"[" * 99 + b"]" * 99]
)
def test_what_is_not_json_is_rejected(raw: bytes) -> None:
    assert code(raw) == 50109


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data"])
def test_another_content_type_is_rejected(kind: str) -> None:
    rejection = read_body(kind, b"{}").rejection
    assert rejection is not None
    assert rejection.code == 50035
    assert b"CONTENT_TYPE_INVALID" in rejection.body


def test_a_form_is_read() -> None:
    body = read_body("application/x-www-form-urlencoded", b"content=a+b%21&username=")
    assert body.data == {"content": "a b!", "username": ""}


def multipart(*parts: tuple[str, bytes], end: bytes = b"--") -> bytes:
    lines = b"".join(
        b"--xyz\r\nContent-Disposition: form-data; "
        + head.encode()
        + b"\r\n\r\n"
        + content
        + b"\r\n"
        for head, content in parts
    )
    return lines + b"--xyz" + end + b"\r\n"


MULTIPART = 'multipart/form-data; boundary="xyz"'


def test_a_form_with_files_is_read() -> None:
    raw = multipart(
        ('name="payload_json"', b'{"content": "x"}'),
        ('name="files[0]"; filename="a.png"', b"\x00\r\n\xff"),
        ('filename="b.png"; name="files[1]"', b""),
    )
    body = read_body(MULTIPART, raw)
    assert body.data == {"content": "x"}
    assert body.files == (UploadedFile(0, "a.png", 4), UploadedFile(1, "b.png", 0))


@pytest.mark.parametrize(
    ("head", "index", "filename"),
    [
        ('name="files[42]"; filename="a b.png"', 42, "a b.png"),
        ('name="file"; filename="a.png"', 0, "a.png"),
        ('name="_a.png"; filename="a.png"', 0, "a.png"),
        ('name="files[3]"; filename="a\\"b.png"', 3, 'a"b.png'),
        ('name="files[3]"; filename="a%22b.png"', 3, 'a"b.png'),
        (
            'name="files[0]"; filename="?.png"; filename*=utf-8\'\'pr%C3%BCfung.png',
            0,
            "prüfung.png",
        ),
        ('name="files[0]"; filename="prüfung.png"', 0, "prüfung.png"),
        ('name="files[0]"; filename=""', 0, ""),
    ],
)
def test_files_are_named_as_libraries_name_them(head: str, index: int, filename: str) -> None:
    body = read_body(MULTIPART, multipart((head, b"x")))
    assert body.files == (UploadedFile(index, filename, 1),)


def test_a_form_with_files_needs_no_json() -> None:
    assert read_body(MULTIPART, multipart(('name="content"', b"x"))).data == {"content": "x"}


def test_parts_without_a_name_are_ignored() -> None:
    assert read_body(MULTIPART, multipart(("", b"x"))).data == {}


def test_json_in_a_form_with_files_can_be_broken() -> None:
    raw = multipart(('name="payload_json"', b"{"), ('name="f"; filename="a"', b"x"))
    assert code(raw, MULTIPART) == 50109


@pytest.mark.parametrize(("size", "expected"), [(10 * MIB, None), (10 * MIB + 1, 40005)])
def test_a_file_has_at_most_ten_mebibytes(size: int, expected: int | None) -> None:
    raw = multipart(('name="files[0]"; filename="a"', b"x" * size))
    assert code(raw, MULTIPART) == expected


@pytest.mark.parametrize(("count", "expected"), [(10, None), (11, 50035)])
def test_a_message_has_at_most_ten_files(count: int, expected: int | None) -> None:
    raw = multipart(*[(f'name="files[{i}]"; filename="a"', b"x") for i in range(count)])
    assert code(raw, MULTIPART) == expected


@pytest.mark.parametrize(("size", "expected"), [(25 * MIB, None), (25 * MIB + 1, 40005)])
def test_a_request_has_at_most_twenty_five_mebibytes(size: int, expected: int | None) -> None:
    assert code(b"{}" + b" " * (size - 2)) == expected


@given(st.binary(max_size=200), st.sampled_from(["application/json", MULTIPART]))
def test_no_bytes_confuse_the_reader(raw: bytes, kind: str) -> None:
    body = read_body(kind, raw)
    assert body.rejection is None or body.rejection.status == 400
