from __future__ import annotations

import errno
import os
import string
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Redactor
from lanrage_events.config._expansion import expand
from lanrage_events.yaml import Document, KeyPath, YAMLValue, parse

SECRET = "made-up-secret-0123456789"


Parts = dict[KeyPath, list[str]]


def expanded(
    text: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    redactor: Redactor | None = None,
) -> tuple[Document, Parts]:
    document = parse(text, "" if folder is None else str(folder / "a.yaml"))
    return document, expand(document, environment or {}, redactor or Redactor())


def value_of(text: str, environment: Mapping[str, str] | None = None) -> YAMLValue:
    document, _ = expanded(f"key: {text}", environment)
    assert document.problems == []
    assert isinstance(document.data, dict)
    return document.data["key"]


def problems_of(
    text: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> list[str]:
    document, _ = expanded(text, environment, folder)
    file = "" if folder is None else f"{document.name}:"
    return [str(problem).removeprefix(file) for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "Ann"),
        ("'${NAME}'", "Ann"),
        ("Hi ${NAME}, ${NAME}!", "Hi Ann, Ann!"),
        ("${MISSING:-Bob}", "Bob"),
        ("${EMPTY:-Bob}", "Bob"),
        ("${EMPTY}", ""),
        ("${NAME:-Bob}", "Ann"),
        ("${MISSING:-}", ""),
        ("${MISSING:-a:-b $x}", "a:-b $x"),
        ("${MISSING:-${NAME}!}", "Ann!"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME and {NAME} and $", "$NAME and {NAME} and $"),
        ("${NUMBER}", "8080"),
        ("${TEXT}", "a: [1, ${NAME}]\n- # no"),
        ("|\n  ${NAME}\n", "Ann\n"),
    ],
)
def test_placeholders_in_a_value_are_replaced(text: str, value: str) -> None:
    environment = {
        "NAME": "Ann",
        "EMPTY": "",
        "NUMBER": "8080",
        "TEXT": "a: [1, ${NAME}]\n- # no",
    }
    assert value_of(text, environment) == value


def test_only_texts_are_looked_at_and_all_of_them() -> None:
    document, parts = expanded("a: [1, {b: 'x${N}'}, null, true]\nc: y${N}", {"N": "1"})
    assert document.data == {"a": [1, {"b": "x1"}, None, True], "c": "y1"}
    assert parts == {("a", 1, "b"): ["1"], ("c",): ["1"]}


def test_a_file_is_read_without_the_line_end(tmp_path: Path) -> None:
    (tmp_path / "unix").write_bytes(SECRET.encode() + b"\n")
    (tmp_path / "dos").write_bytes(b"\xef\xbb\xbf " + SECRET.encode() + b"\r\n")
    redactor = Redactor()
    document, parts = expanded("a: '<${file:unix}>'\nb: '${file:./dos}'", {}, tmp_path, redactor)
    assert document.problems == []
    assert document.data == {"a": f"<{SECRET}>", "b": f" {SECRET}"}
    assert parts == {("a",): [SECRET], ("b",): [f" {SECRET}"]}
    assert SECRET not in redactor.redact(f"what comes from a file is a secret: {SECRET}")


def test_the_path_of_a_file_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "discord").write_text(SECRET, encoding="utf-8")
    document, _ = expanded(
        "a: ${file:${CREDENTIALS_DIRECTORY}/discord}", {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    )
    assert document.data == {"a": SECRET}


def test_the_home_folder_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "discord").write_text(SECRET, encoding="utf-8")
    document, _ = expanded("a: ${file:~/discord}", folder=tmp_path / "elsewhere")
    assert document.data == {"a": SECRET}


def test_what_comes_in_is_not_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("${HOME} $${x}", encoding="utf-8")
    document, _ = expanded("a: ${file:f}", folder=tmp_path)
    assert document.data == {"a": "${HOME} $${x}"}


def test_every_problem_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    (tmp_path / "large").write_text("x" * 65_537, encoding="utf-8")
    text = (
        "a: ${NOT_SET}\n"
        "b: [1, 'x ${ALSO_NOT} ${file:missing}']\n"
        "c: ${file:empty}\n"
        "d: ${file:binary}\n"
        "e: ${file:large}\n"
        "f: ${file:}\n"
        "g: ${file:.}\n"
    )
    assert problems_of(text, folder=tmp_path) == [
        "1:4: a: the environment variable NOT_SET is not set",
        "2:8: b.1: the environment variable ALSO_NOT is not set",
        f"3:4: c: the file {tmp_path / 'empty'} is empty",
        f"4:4: d: the file {tmp_path / 'binary'} is not UTF-8 text",
        f"5:4: e: the file {tmp_path / 'large'} cannot be read: larger than 65,536 bytes",
        "6:4: f: '${file:}' names no file",
        f"7:4: g: the file {tmp_path} cannot be read: {os.strerror(errno.EISDIR)}",
    ]


@pytest.mark.parametrize("path", ["missing", "~nobody-has-this-name/x", "a\0b"])
def test_a_file_that_cannot_be_found_is_reported(path: str, tmp_path: Path) -> None:
    document = Document({"a": f"${{file:{path}}}"}, str(tmp_path / "a.yaml"))
    expand(document, {}, Redactor())
    (problem,) = document.problems
    assert problem.message.startswith("a: the file ")
    assert not problem.message.endswith("None")
    assert document.failed == {("a",)}


@pytest.mark.parametrize(
    "text",
    [
        "${}",
        "${1}",
        "${with space}",
        "${NAME-default}",
        "${NAME:?message}",
        "${NAME:=x}",
        f"${{{SECRET}",
        f"${{https://example/{SECRET}}}",
        "x ${",
    ],
)
def test_what_is_not_understood_is_reported_but_not_shown(text: str) -> None:
    document, _ = expanded(f"key: '{text}'", {"NAME": "Ann"})
    (problem,) = document.problems
    assert str(problem.position) == "1:6"
    assert problem.message == (
        "key: this use of '${' is not understood: write ${NAME}, ${NAME:-default} or ${file:path}, "
        "and $${ for a literal ${"
    )
    assert document.failed == {("key",)}


def test_a_key_is_not_replaced() -> None:
    assert problems_of("a:\n  '${NAME}': 1", {"NAME": "x"}) == [
        "2:3: a.${NAME}: '${' has no meaning in a key"
    ]


def test_a_value_that_is_used_twice_is_reported_for_both() -> None:
    assert problems_of("a: &x ${NOT_SET}\nb: *x") == [
        "1:4: a: the environment variable NOT_SET is not set",
        "1:4: b: the environment variable NOT_SET is not set",
    ]


@given(st.text())
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    document = Document(data=text.replace("${", "$${"))
    expand(document, {}, Redactor())
    assert document.problems == []
    assert document.data == text


NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=5).filter(
    lambda name: name != "file"
)


@pytest.mark.slow
@given(
    st.dictionaries(NAMES, st.text()),
    st.lists(st.tuples(st.text(), NAMES, st.text(st.characters(exclude_characters="${}")))),
)
def test_values_come_in_unchanged_whatever_they_are(
    environment: dict[str, str], parts: list[tuple[str, str, str]]
) -> None:
    text = expected = ""
    for literal, name, default in parts:
        # A dollar before a placeholder would make it a literal one.
        literal = literal.rstrip("$")
        text += literal.replace("${", "$${") + f"${{{name}:-{default}}}"
        expected += literal + (environment.get(name) or default)

    document = Document(data=["before", text])
    expand(document, environment, Redactor())
    assert document.problems == []
    assert document.data == ["before", expected]


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    document = Document(data={"a": text})
    expand(document, {}, Redactor())
    assert bool(document.problems) == bool(document.failed)
