from __future__ import annotations

import math
import re
import zipfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.yaml import (
    Document,
    KeyPath,
    Position,
    YAMLValue,
    kind_of,
    parse,
    read,
)
from lanrage_events.yaml._problems import format_error


@pytest.fixture(params=["libyaml", "pure Python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with libyaml and without."""
    if request.param == "pure Python":
        monkeypatch.delattr(yaml, "CSafeLoader")


def messages(source: str | bytes) -> list[str]:
    return [f"{problem.position}: {problem.message}" for problem in parse(source).problems]


def data(source: str | bytes) -> YAMLValue:
    document = parse(source)
    assert document.problems == []
    return document.data


def place(document: Document, *path: str | int, key: bool = False) -> tuple[int, int]:
    position = document.position(path, key=key)
    return position.line, position.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nil", "nil"),
        ("true", True),
        ("FALSE", False),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("0", 0),
        ("-3", -3),
        ("+5", 5),
        ("0x1F", 31),
        ("0o17", 15),
        ("0600", "0600"),
        ("00", "00"),
        ("007.5", "007.5"),
        ("1_000", "1_000"),
        ("10:30", "10:30"),
        ("1:30:00", "1:30:00"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 12:00:00Z", "2024-01-01 12:00:00Z"),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("500ms", "500ms"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("=", "="),
        ("9" * 5000, "9" * 5000),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!int 5", 5),
        ("!!float '5'", 5.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("!!map {a: 1}", {"a": 1}),
        ("!!seq [1]", [1]),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = data(f"key: {text}")
    assert isinstance(found, dict)
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_not_a_number_is_a_number() -> None:
    found = data("key: .nan")
    assert isinstance(found, dict)
    assert isinstance(found["key"], float)
    assert math.isnan(found["key"])


def test_keys_are_texts_as_they_are_written() -> None:
    assert data("on: 1\n10: 2\ntrue: 3\n1.50: 4\n~: 5\n'<<': 6\n") == {
        "on": 1,
        "10": 2,
        "true": 3,
        "1.50": 4,
        "~": 5,
        "<<": 6,
    }


@pytest.mark.parametrize("source", ["", "\n\n", "# only a comment\n", "---\n", "---\n...\n", b""])
def test_an_empty_text_is_none(source: str | bytes) -> None:
    assert data(source) is None


def test_a_top_level_list_and_scalar_are_values() -> None:
    assert data("- 1\n- [a, b]\n") == [1, ["a", "b"]]
    assert data("just text") == "just text"


def test_every_value_and_key_has_a_place() -> None:
    document = parse(
        "# comment\n"
        "plugins:\n"
        "  discord:\n"
        "    batch: {window: 500ms}\n"
        "  'log':  # why\n"
        "    - a\n"
        "    -   b\n"
        "  empty:\n"
    )
    assert place(document) == (2, 1)
    assert place(document, "plugins") == (3, 3)
    assert place(document, "plugins", key=True) == (2, 1)
    assert place(document, "plugins", "discord", "batch", "window") == (4, 21)
    assert place(document, "plugins", "discord", "batch", "window", key=True) == (4, 13)
    assert place(document, "plugins", "log", 1) == (7, 9)
    assert place(document, "plugins", "log", 1, key=True) == (7, 9)
    assert place(document, "plugins", "empty", key=True) == (8, 3)


def test_what_the_text_does_not_have_is_where_it_should_be() -> None:
    document = parse("plugins:\n  discord:\n    batch: 1\n")
    assert place(document, "plugins", "discord", "url", key=True) == (2, 3)
    assert place(document, "plugins", "discord", "url") == (3, 5)
    assert place(document, "nowhere", 3) == (1, 1)
    assert place(parse(""), "a") == (1, 1)
    assert place(Document({"a": 1}), "a") == (0, 0)


@pytest.mark.parametrize(
    ("encoding", "bom"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-be", "\ufeff")],
)
def test_unicode_text_is_read_and_columns_count_characters(encoding: str, bom: str) -> None:
    document = parse((bom + "spieler: 🎮 Jürgen\nköln: ё\n").encode(encoding))
    assert document.problems == []
    assert document.data == {"spieler": "🎮 Jürgen", "köln": "ё"}
    assert place(document, "spieler", key=True) == (1, 1)
    assert place(document, "köln") == (2, 7)


def test_windows_line_ends_count_once() -> None:
    assert place(parse(b"a: 1\r\nb: 2\r\n"), "b", key=True) == (2, 1)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (b"a: 1\nb: caf\xe9\n", "2:7: this is not UTF-8 (byte 0xE9): save the file as UTF-8"),
        (b"\xff\xfe", "1:1: this is not UTF-8 (byte 0xFF): save the file as UTF-8"),
        (b"\xfe\xff", "1:1: this is not UTF-8 (byte 0xFE): save the file as UTF-8"),
        ("a: 1".encode("utf-32"), "1:1: this is not UTF-8 (byte 0xFF): save the file as UTF-8"),
        (b"\xff\xfea\x00\x00\xd8", "1:2: this is not UTF-16 (byte 0x00): save the file as UTF-8"),
        ("a: 1\nb: x\x07\n", "2:5: the control character U+0007 is not allowed"),
        (b"\x00", "1:1: the control character U+0000 is not allowed"),
        ("a: \ud800", "1:4: the control character U+D800 is not allowed"),
        ("x" * 1_000_001, "1:1: the file is larger than 1,000,000 bytes"),
    ],
)
def test_what_is_not_text_is_reported(source: str | bytes, problem: str) -> None:
    assert messages(source) == [problem]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a:\n\tb: 1\n", "2:1: a tab cannot stand here: use spaces"),
        ("a: @all\n", "1:4: a value cannot start with '@': put the value in quotes"),
        ("a: `x`\n", "1:4: a value cannot start with '`': put the value in quotes"),
        ("a: %x\n", "1:4: a value cannot start with '%': put the value in quotes"),
        ("a: b: c\n", "1:5: a second ': ' in one value: put the value in quotes"),
        (
            "a: 1\n  b: 2\n",
            "2:4: the line above has a value already: check the indentation",
        ),
        ("a:\n  b: 1\n c: 2\n", "3:2: the indentation fits none of the lines above"),
        ("a: 1\n- b\n", "2:1: the indentation fits none of the lines above"),
        ("a: 'it's'\n", "1:8: text after the end of a value: put the whole value in quotes"),
        (
            "a: {{ name }} joined\n",
            "1:15: text after the end of a value: put the whole value in quotes",
        ),
        (
            "a: {{ name }}\n",
            "1:5: a key must be text, not a list or a mapping: if it is text, put it in quotes",
        ),
        ("{[a]: 1}\n", ("1:2: a key must be text, not a list or a mapping: "
         "if it is text, put it in quotes")),
        ("? - a\n: 1\n", "1:3: a key must be text, not a list or a mapping"),
        (
            "a: [1, 2\nb: 3\n",
            ("1:4: the '[' that opens here is not closed, or a comma is missing after it "
            "(noticed at 2:2)"),
        ),
        (
            "a: {b: 1 c: 2}\n",
            "1:4: the '{' that opens here is not closed, or a comma is missing after it",
        ),
        (
            "a: {url: ${URL}}\n",
            "1:11: inside of { } or [ ], put a value with ${ } in quotes",
        ),
        (
            "a: [x {y: 1}]\n",
            "1:4: the '[' that opens here is not closed, or a comma is missing after it",
        ),
        ("a: [1, , 2]\n", "1:8: a value is missing here"),
        ("a: \"x\nb: 1\n", "1:4: the quote that opens here is not closed (noticed at 3:1)"),
        ("a: 1\nfoo\n", ("2:1: expected 'key: value', with a space after the colon "
         "(noticed at 3:1)")),
        ("a: *.log\n", "1:4: a value cannot start with '*' unless it is in quotes"),
        ("a: &\n", "1:4: a value cannot start with '&' unless it is in quotes"),
        (
            "a: *x\n",
            "1:4: '*x' has no anchor '&x' above it (put it in quotes if it is text)",
        ),
        ("a: &a [1, *a]\n", "1:11: '*a' stands inside of what it refers to"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document starts here: a file holds only one"),
        ("a: !env X\n", "1:4: the tag '!env' is not supported"),
        ("a: !!binary eA==\n", "1:4: the tag '!!binary' is not supported"),
        ("a: !!set {x}\n", "1:4: the tag '!!set' is not supported"),
        ("a: !!int x\n", "1:4: this is not a valid '!!int' value"),
        ("<<: 1\n", "1:5: '<<' takes a mapping, or a list of mappings"),
        ("<<: [[x]]\n", "1:6: '<<' takes a mapping, or a list of mappings"),
        ("<<: [{a: 1}, 2]\n", "1:14: '<<' takes a mapping, or a list of mappings"),
        ("[" * 900, "1:51: nested deeper than 50 levels"),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_in_words_with_its_place(source: str, problem: str) -> None:
    assert messages(source) == [problem]


@pytest.mark.slow
def test_what_is_nested_too_deeply_for_the_parser_is_reported_alike() -> None:
    (message,) = messages("[" * 3000)
    assert message.endswith(": nested deeper than 50 levels")


def test_a_backslash_in_double_quotes_is_explained() -> None:
    (message,) = messages('a: "C:\\lan"\n')
    assert "use single quotes, or write '\\\\' for a backslash" in message


def test_a_rare_mistake_is_reported_in_the_words_of_the_parser() -> None:
    (message,) = messages("a: |x\n  text\n")
    assert message.startswith("1:5: this is not YAML: ")


def test_an_error_without_a_place_is_reported_at_the_start() -> None:
    assert format_error(yaml.YAMLError("odd"), ["text"], "a") == (
        Position(1, 1, "a"),
        "this is not YAML: odd",
    )


def test_duplicate_keys_are_reported_with_both_places_and_at_once() -> None:
    assert messages("a: 1\nb: {x: 1, x: 2}\n'a': 2\na: 3\n") == [
        "2:11: duplicate key 'x', first at 2:5",
        "3:1: duplicate key 'a', first at 1:1",
        "4:1: duplicate key 'a', first at 1:1",
    ]


def test_problems_before_a_syntax_error_are_kept() -> None:
    assert messages("a: *x\nb: @\n") == [
        "1:4: '*x' has no anchor '&x' above it (put it in quotes if it is text)",
        "2:4: a value cannot start with '@': put the value in quotes",
    ]


def test_aliases_repeat_a_value_and_point_to_where_it_is_written() -> None:
    document = parse("a: &list\n  - 1\nb: *list\nc: &list 2\nd: *list\n")
    assert document.data == {"a": [1], "b": [1], "c": 2, "d": 2}
    assert place(document, "b", 0) == (2, 5)
    assert place(document, "b", key=True) == (3, 1)


def test_merge_keys_add_what_a_mapping_does_not_have() -> None:
    document = parse(
        "base: &base {size: 1, when: block}\n"
        "more: &more {<<: *base, size: 2, extra: x}\n"
        "one:\n  size: 5\n  <<: *base\n"
        "two:\n  <<: [*more, *base]\n"
    )
    assert document.problems == []
    assert document.data == {
        "base": {"size": 1, "when": "block"},
        "more": {"size": 2, "when": "block", "extra": "x"},
        "one": {"size": 5, "when": "block"},
        "two": {"size": 2, "when": "block", "extra": "x"},
    }
    assert place(document, "one", "size") == (4, 9)
    assert place(document, "one", "when", key=True) == (1, 23)


def chain(first: str, link: str, length: int) -> str:
    """Return a document in which each anchor holds the one before."""
    lines = [f"k0: &k0 {first}"]
    lines += [f"k{i}: &k{i} {link.replace('ALIAS', f'*k{i - 1}')}" for i in range(1, length)]
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (chain("[x, x]", "[" + ", ".join(["ALIAS"] * 10) + "]", 9), "more than 100,000 values"),
        (chain("{a: 1}", "{<<: [" + ", ".join(["ALIAS"] * 10) + "]}", 9), "100,000 values"),
        (chain("[x]", "[ALIAS]", 60), "with its aliases, nested deeper than 50 levels"),
        (chain("{a: 1}", "{<<: ALIAS}", 60), "merged over more than 50 levels"),
    ],
)
def test_aliases_cannot_fill_the_memory(source: str, problem: str) -> None:
    (message,) = messages(source)
    assert problem in message


def test_positions_are_ordered_as_in_the_text() -> None:
    assert Position(2, 1) < Position(10, 1) < Position(10, 3)
    assert str(Position(3, 7)) == "3:7"


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    # The dumper writes YAML 1.1, in which 0E0 and 0o7 are texts.
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs"]), max_size=8
    ).filter(lambda text: not re.match("[-+.]?[0-9]", text)),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), children, max_size=3)
    ),
    max_leaves=12,
)


def leaves(value: YAMLValue, path: KeyPath = ()) -> list[tuple[KeyPath, YAMLValue]]:
    found: list[tuple[KeyPath, YAMLValue]] = [(path, value)]
    if isinstance(value, dict):
        for key, item in value.items():
            found += leaves(item, (*path, key))

    if isinstance(value, list):
        for index, item in enumerate(value):
            found += leaves(item, (*path, index))

    return found


@pytest.mark.slow
@given(TREES, st.sampled_from([None, False, True]), st.booleans())
def test_what_a_dumper_writes_is_read_back_with_places(
    tree: YAMLValue, style: bool | None, allow_unicode: bool
) -> None:
    text = yaml.safe_dump(
        tree, default_flow_style=style, allow_unicode=allow_unicode, sort_keys=False
    )
    document = parse(text)
    assert document.problems == []
    assert document.data == tree

    lines = text.split("\n")
    for path, value in leaves(tree):
        position = document.position(path)
        rest = lines[position.line - 1][position.column - 1 :]
        if isinstance(value, bool):
            assert rest.startswith(str(value).lower())
        elif isinstance(value, int):
            assert rest.startswith(str(value))

        if path and isinstance(path[-1], str):
            key = document.position(path, key=True)
            written = lines[key.line - 1][key.column - 1 :].lstrip("? ")
            assert written.startswith((path[-1], f"'{path[-1]}'", f'"{path[-1]}"'))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_makes_it_raise(source: str | bytes) -> None:
    document = parse(source)
    for problem in document.problems:
        assert problem.position.line >= 1
        assert problem.position.column >= 1
        assert problem.message


def test_a_file_is_read_with_its_name_in_each_place(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\na: 2\n", "utf-8")

    document = read(file)

    assert document.data == {"a": 1}
    assert document.folder == tmp_path
    assert document.position(("a",)) == Position(1, 4, str(file))
    assert [str(problem) for problem in document.problems] == [
        f"{file}:2:1: duplicate key 'a', first at 1:1"
    ]


def test_a_file_of_a_package_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        archive.writestr("presets/a.yaml", "a: on")

    document = read(zipfile.Path(tmp_path / "package.zip", "presets/a.yaml"))

    assert document.data == {"a": "on"}
    assert document.name.endswith("presets/a.yaml")


def test_what_an_author_finds_has_its_place_too() -> None:
    document = parse("teams:\n- name: red\n- name: rde\n", "teams.yaml")
    document.report(("teams", 1, "name"), "no such team")
    document.report(("teams", 1, "name"), "no such key", key=True)
    document.report((), "too few")

    assert list(map(str, document.problems)) == [
        "teams.yaml:3:9: teams.1.name: no such team",
        "teams.yaml:3:3: teams.1.name: no such key",
        "teams.yaml:1:1: too few",
    ]


@pytest.mark.parametrize(
    ("value", "text", "line", "column"),
    [
        ("007", "007", 1, 4),
        ("on", "on", 1, 4),
        ("1.50", "1.50", 1, 4),
        ("'x'", "x", 1, 4),
        ('"~"', "~", 1, 4),
        ("", "", 1, 3),
        ("~", "", 1, 4),
        ("[a]", "", 1, 4),
        ("|\n  x\n  y", "x\ny", 2, 0),
        (">-\n  x\n  y", "x y", 2, 0),
        ("\n  x", "x", 2, 3),
    ],
)
def test_a_scalar_can_be_had_as_it_is_written(
    value: str, text: str, line: int, column: int
) -> None:
    assert parse(f"a: {value}").text(("a",)) == (text, line, "", column)


@pytest.mark.parametrize(
    ("value", "comment"),
    [
        ("#4CAF50", "#4CAF50"),
        ("Match #3 ", "#3"),
        ("a #b #c", "#b #c"),
        ("# a", ""),
        ("a # b", ""),
        ("a#b", ""),
        ("'a' #b", ""),
        ("|\n  a #b", ""),
        ("#", ""),
    ],
)
def test_a_comment_that_was_hardly_meant_as_one_is_known(value: str, comment: str) -> None:
    assert parse(f"a: {value}").text(("a",)).comment == comment
    assert parse(f"a: {value}").text(("b",)) == ("", 0, "", 0)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "nothing"),
        (True, "true or false"),
        (1, "a number"),
        (1.5, "a number that is not whole"),
        ("x", "a text"),
        ([], "a list"),
        ({}, "keys with values"),
    ],
)
def test_what_a_value_is_can_be_said_without_showing_it(value: YAMLValue, kind: str) -> None:
    assert kind_of(value) == kind
