from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, PeerJoined, PeerLeft
from lanrage_events.templates import (
    Continuation,
    LeafWarning,
    SafeString,
    TemplateError,
    TemplateFilter,
    TemplateLeaf,
    Templates,
    utf16_units,
)

TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)
ANN = PeerJoined(id="1", time=TIME, peer_name="Ann", party_name="Friday LAN")


@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(Event):
    map_name: str
    server: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VeteranJoined(PeerJoined):
    games: int = 0


def shout(text: str) -> str:
    return text.upper()


def parse_number(value: object) -> int:
    if isinstance(value, (int, str)):
        return int(value)

    raise ValueError(f"expected a number, not {value!r}")


def quote(before: str, after: str) -> str | None:
    return "quoted" if before.endswith("'") and after.startswith("'") else None


LEAVES = {
    "title": TemplateLeaf(limit=40),
    "long": TemplateLeaf(limit=100),
    "units": TemplateLeaf(limit=40, measure=utf16_units),
    "text": TemplateLeaf(write=shout, lines=True, context_filter=quote),
    "number": TemplateLeaf(parse=parse_number),
    "time": TemplateLeaf(parse=lambda value: value),
    "must": TemplateLeaf(required=True),
    "foot.text": TemplateLeaf(),
    "foot.icon": TemplateLeaf(),
    "rows[].name": TemplateLeaf(),
    "rows[].value": TemplateLeaf(),
    "count": TemplateLeaf(context={"count": SafeString("\ue000")}),
}
FILTERS = {
    "quoted": TemplateFilter(lambda text: text.replace("'", "’")),
    "link": TemplateFilter(lambda text: f"<{text}>", atomic=True),
}


class Tool:
    """Template folders below a temporary one, and what is wrong with them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[TemplateError] = []
        self.leaves = dict(LEAVES)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def templates(self, *folders: str, context: Collection[str] | None = None) -> Templates:
        return Templates(
            "toy",
            [self.root / folder for folder in folders or ("base",)],
            self.leaves,
            shorthands={"foot": "foot.text"},
            filters=FILTERS,
            report=self.problems.append,
            context=context,
        )

    def render(self, text: str, event: Event = ANN) -> dict[str, object]:
        self.write("base/toy/event.yaml", text)
        return self.templates().render(event)

    @property
    def messages(self) -> list[str]:
        return [str(problem).replace(f"{self.root}/", "") for problem in self.problems]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def test_leaves_are_filled_in_from_the_event(tool: Tool) -> None:
    leaves = tool.render(
        """
        title: "{{ peer_name }} of {{ type }}, {{ event.party_name }}"
        text: "{{ fields | join('/') }} {{ time }}"
        """
    )

    assert leaves["title"] == "Ann of peer_joined, Friday LAN"
    assert (
        leaves["text"]
        == "PARTY_ID/PEER_NAME/PARTY_NAME/PEER_ID/FIRST_TIME/COUNT 2026-01-31 20:15 UTC"
    )
    assert tool.problems == []


def test_what_the_consumer_adds_can_be_named_but_hides_no_field(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "title: '{{ peer_name }} {{ invite }}'")

    leaves = tool.templates().render(ANN, {"invite": "come!", "peer_name": "somebody"})

    assert leaves["title"] == "Ann come!"


def test_data_never_changes_the_structure(tool: Tool) -> None:
    event = PeerJoined(peer_name='x"\nnumber: 7\ntext: owned', party_name="{{ 7 * 7 }}")

    leaves = tool.render('title: "{{ peer_name }}"\nfoot: "{{ party_name }}"', event)

    assert leaves == {"title": 'x" number: 7 text: owned', "foot.text": "{{ 7 * 7 }}"}


@pytest.mark.slow
@given(name=st.text(), party=st.text())
def test_no_value_adds_a_leaf_or_raises(
    tmp_path_factory: pytest.TempPathFactory, name: str, party: str
) -> None:
    tool = Tool(tmp_path_factory.getbasetemp() / "any")
    event = PeerJoined(peer_name=name, party_name=party)

    leaves = tool.render("title: 'a {{ peer_name }}'\ntext: 'b {{ party_name }}'", event)

    assert set(leaves) == {"title", "text"}
    assert tool.problems == []


def test_each_value_is_written_as_its_leaf_wants_it(tool: Tool) -> None:
    leaves = tool.render(
        """
        title: "by {{ peer_name }}"
        text: "by {{ peer_name }}"
        """
    )

    assert leaves == {"title": "by Ann", "text": "by ANN"}


def test_a_leaf_that_a_class_lacks_comes_from_its_base_class(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "title: any\ntext: any\nnumber: 1")
    tool.write("base/toy/party_event.yaml", "text: party\nnumber: 2")
    tool.write("base/toy/peer_joined.yaml", "number: 3")
    templates = tool.templates()

    assert templates.render(ANN) == {"title": "any", "text": "party", "number": 3}
    assert templates.render(VeteranJoined(peer_name="a", party_name="b"))["number"] == 3
    assert templates.render(PeerLeft(peer_name="a", party_name="b"))["number"] == 2
    assert templates.render(MapChanged(map_name="dust")) == {
        "title": "any",
        "text": "any",
        "number": 1,
    }


def test_a_user_overrides_a_single_leaf(tool: Tool) -> None:
    tool.write("base/toy/peer_joined.yaml", "title: bundled\ntext: bundled\nfoot: {icon: b}")
    tool.write("plugin/toy/peer_joined.yaml", "text: plugin\nfoot: {text: plugin}")
    tool.write("mine/toy/peer_joined.yaml", "title: mine")

    leaves = tool.templates("mine", "plugin", "base").render(ANN)

    assert leaves == {"title": "mine", "text": "plugin", "foot.text": "plugin", "foot.icon": "b"}


def test_the_more_specific_class_wins_over_the_more_important_folder(tool: Tool) -> None:
    tool.write("base/toy/peer_joined.yaml", "title: joined")
    tool.write("base/toy/event.yaml", "foot: base")
    tool.write("mine/toy/event.yaml", "title: mine\nfoot: mine")

    leaves = tool.templates("mine", "base").render(ANN)

    assert leaves == {"title": "joined", "foot.text": "mine"}


@pytest.mark.parametrize("nothing", ['""', "", "~", '"{{ party_id }}"', "'  '"])
def test_an_empty_leaf_takes_away_what_would_be_inherited(tool: Tool, nothing: str) -> None:
    tool.write("base/toy/event.yaml", "title: any\ntext: any")
    tool.write("base/toy/peer_joined.yaml", f"title: {nothing}")

    assert tool.templates().render(ANN) == {"text": "any"}
    assert tool.problems == []


def test_a_list_is_inherited_as_a_whole(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "rows: [{name: a, value: b}, {name: c, value: d}]")
    tool.write("base/toy/peer_joined.yaml", "rows:\n- {name: who, value: '{{ peer_name }}'}")
    tool.write("base/toy/peer_left.yaml", "rows:")
    templates = tool.templates()

    assert templates.render(ANN) == {"rows": [{"name": "who", "value": "Ann"}]}
    assert templates.render(PeerLeft(peer_name="a", party_name="b")) == {}
    assert len(templates.render(MapChanged(map_name="x"))["rows"]) == 2


def test_yaml_scalars_are_texts(tool: Tool) -> None:
    leaves = tool.render("title: on\ntext: 10:30\nnumber: 007\nfoot: {text: no, icon: null}")

    assert leaves == {"title": "on", "text": "10:30", "number": 7, "foot.text": "no"}


def test_a_leaf_that_is_one_value_is_parsed_as_that_value(tool: Tool) -> None:
    assert tool.render('time: "{{ time }}"') == {"time": TIME}
    assert tool.render('time: "at {{ time }}"') == {"time": "at 2026-01-31 20:15 UTC"}


def test_blocks_take_no_lines_of_their_own(tool: Tool) -> None:
    leaves = tool.render(
        """
        text: |
          one
          {% if peer_name %}
          two
          {% endif %}
          {% for name in [peer_name, party_name] %}
            - {{ name }}
          {% endfor %}
        """
    )

    assert leaves["text"] == "one\ntwo\n  - ANN\n  - FRIDAY LAN"


def test_a_leaf_of_one_line_stays_one(tool: Tool) -> None:
    event = PeerJoined(peer_name="A\nB", party_name="x")

    leaves = tool.render("title: |\n  {{ peer_name | lines }}\n  and more\n", event)

    assert leaves["title"] == "A B and more"


def test_line_breaks_of_values_are_kept_only_on_request(tool: Tool) -> None:
    event = PeerJoined(peer_name="a\nb", party_name="x")

    assert tool.render("text: '{{ peer_name }}'", event) == {"text": "A B"}
    assert tool.render("text: '{{ peer_name | lines }}'", event) == {"text": "A\nB"}


def test_variables_of_one_leaf_are_unknown_to_the_next(tool: Tool) -> None:
    leaves = tool.render(
        """
        title: "{% set secret = 1 %}{{ secret }}"
        text: "{{ 'leaked' if secret is defined else 'clean' }}"
        """
    )

    assert leaves == {"title": "1", "text": "CLEAN"}


def test_names_for_one_leaf_alone_hide_the_fields(tool: Tool) -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Scored(Event):
        count: int

    leaves = tool.render(
        "title: '{{ count }}'\ncount: '{{ count }} of {{ event.count }}'", Scored(count=3)
    )

    assert leaves == {"title": "3", "count": "\ue000 of 3"}


def test_no_value_can_be_taken_for_the_consumers_own_text(tool: Tool) -> None:
    event = PeerJoined(peer_name="\ue000!", party_name="x")

    assert tool.render("count: '{{ count }} {{ peer_name }}'", event) == {"count": "\ue000 !"}


def test_a_place_writes_a_value_in_its_own_way(tool: Tool) -> None:
    event = PeerJoined(peer_name="O'Neill", party_name="x")

    leaves = tool.render("""text: "'{{ peer_name }}' {{ peer_name }}" """, event)

    assert leaves["text"] == "'O’Neill' O'NEILL"


def test_values_stay_harmless_through_macros_and_sets(tool: Tool) -> None:
    leaves = tool.render(
        """
        text: >-
          {% macro tell(name) %}({{ name }}){% endmacro %}{{ tell(peer_name) }}
          {% set x %}{{ peer_name }}{% endset %}{{ x }}
          {% filter replace("a", "b") %}{{ peer_name }}{% endfilter %}
        """
    )

    assert leaves["text"] == "(ANN) ANN ANN"


def test_join_leaves_out_what_is_none_and_fields_that_are_empty(tool: Tool) -> None:
    event = MapChanged(map_name="", server=("a", None, "", True, {"name": "n"}))

    assert tool.render("title: '{{ server | join(\"+\") }}'", event)["title"] == "a+?+yes+name: n"
    assert tool.render("title: '{{ [map_name, 3] | join(\"+\") }}'", event)["title"] == "3"
    people = MapChanged(map_name="x", server=[{"name": "Ann"}, {"name": "Bob"}])
    text = 'title: \'{{ server | join(", ", attribute="name") }}\''
    assert tool.render(text, people)["title"] == "Ann, Bob"


BLANKS = [
    "",
    " ",
    "   ",
    "\n",
    "\t",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u17b4",
    "\u3164",
    "\u2800",
    "\ufe0f",
]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Welcome to **{{ map_name }}**!", "Welcome to **?**!"),
        ("`{{ event.map_name }}`", "`?`"),
        ("{{ map_name | trim | upper }} joined", "? joined"),
        ("{{ map_name | default('x') }} joined", "? joined"),
        ("{{ map_name | lines | upper }} joined", "? joined"),
        ("{% for name in server %}[{{ name }}]{% endfor %}", "[Ann][?]"),
        ("{{ server | join(', ') }}", "Ann, ?"),
        ("{{ server | map('upper') | join(', ') }}", "ANN, ?"),
        ("{{ server }}", "Ann, ?"),
        ("{{ event.server }}", "Ann, ?"),
        ("{{ fields['server'] }}", "Ann, ?"),
        ("{{ {'by': server} }}", "by: Ann, ?"),
        ("'{{ map_name }}'", "'?'"),
    ],
)
def test_a_name_without_ink_is_a_question_mark(
    tool: Tool, blank: str, text: str, expected: str
) -> None:
    event = MapChanged(map_name=blank, server=("Ann", blank))

    assert tool.render(f'foot: "{text}"', event) == {"foot.text": expected}
    assert tool.problems == []


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoresShown(Event):
    scores: object
    suffix: str = ""


def test_names_without_ink_are_question_marks_in_what_lists_contain(tool: Tool) -> None:
    event = ScoresShown(scores={" ": ["", None, {"a": "\u3164"}], "Ann": {"\u200b"}})

    assert tool.render('foot: "{{ scores }}"', event)["foot.text"] == "?: ?, a: ?, Ann: ?"


def test_an_empty_text_is_empty_to_conditions_and_alone_in_a_leaf(tool: Tool) -> None:
    event = MapChanged(map_name="")

    assert (
        tool.render("title: '{{ map_name }}'\nfoot: ' {{ map_name }}{{ map_name }} '", event) == {}
    )
    assert tool.render("title: '{{ map_name or \"nowhere\" }}'", event)["title"] == "nowhere"
    text = "title: 'x{% if map_name or map_name != \"\" or fields.map_name %}y{% endif %}'"
    assert tool.render(text, event)["title"] == "x"
    assert tool.render("must: '{{ map_name }}'", event) == {"must": "?"}
    assert tool.render("number: '{{ map_name }}'", event) == {}


def test_an_empty_text_that_a_field_has_by_default_stands_for_no_value(tool: Tool) -> None:
    text = "title: '{{ scores }}{{ suffix }}!'"

    assert tool.render(text, ScoresShown(scores=1))["title"] == "1!"
    assert tool.render(text, ScoresShown(scores=1, suffix=" "))["title"] == "1?!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 'a' if map_name else '' }}b", "b"),
        ("a{{ ' ' if not map_name else '-' }}b", "a b"),
        ("{% set gap = '  ' %}a{{ gap }}b", "a  b"),
        ("a{{ missing | default(' ') }}b", "a b"),
        ("{% for n in [1, 2] %}{{ n }}{{ loop.cycle(' ', '') }}{% endfor %}", "1 2"),
        ("{{ [1, 2] | join(' ') }}", "1 2"),
        ("{{ server | replace(' ', '') }}", "ab"),
    ],
)
def test_blanks_that_a_template_writes_stay(tool: Tool, text: str, expected: str) -> None:
    event = MapChanged(map_name="", server="a b")

    assert tool.render(f'foot: "{text}"', event) == {"foot.text": expected}
    assert tool.problems == []


def test_the_filters_of_the_core(tool: Tool) -> None:
    event = MapChanged(map_name="x", server=3661)

    leaves = tool.render("title: '{{ type | humanize }} {{ server | duration }}'", event)

    assert leaves["title"] == "Map Changed 1h 1m"


def test_the_longest_values_are_shortened_so_that_the_sentence_stays(tool: Tool) -> None:
    event = PeerJoined(peer_name="A" * 5000, party_name="B" * 500)

    leaves = tool.render('title: "👋 {{ peer_name }} joined {{ party_name }}!"', event)

    assert leaves["title"] == "👋 " + "A" * 13 + "… joined " + "B" * 13 + "…!"


def test_short_values_stay_whole_beside_a_long_one(tool: Tool) -> None:
    event = PeerJoined(peer_name="Annabelle", party_name="B" * 500)

    leaves = tool.render('title: "{{ peer_name }} joined {{ party_name }}!"', event)

    assert leaves["title"] == "Annabelle joined " + "B" * 21 + "…!"


def test_of_long_values_the_longest_is_shortened_first(tool: Tool) -> None:
    event = PeerJoined(peer_name="A" * 40, party_name="B" * 500)

    leaves = tool.render('long: "{{ peer_name }} joined {{ party_name }}!"', event)

    assert leaves["long"] == "A" * 40 + " joined " + "B" * 50 + "…!"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A" * 50, "A" * 32 + "… joined"),
        ("🎮" * 50, "🎮" * 16 + "… joined"),
        # Each of them is 11 units long, and never split.
        ("👨‍👩‍👧‍👦" * 5, "👨‍👩‍👧‍👦" * 2 + "… joined"),
        ("🎮" * 16, "🎮" * 16 + " joined"),
    ],
)
def test_limit_counts_as_the_consumer_says(tool: Tool, name: str, expected: str) -> None:
    leaves = tool.render(
        'units: "{{ peer_name }} joined"', PeerJoined(peer_name=name, party_name="")
    )
    assert leaves["units"] == expected
    assert utf16_units(expected) <= 40


def test_values_vanish_before_the_sentence_does(tool: Tool) -> None:
    event = PeerJoined(peer_name="A" * 50, party_name="x")

    leaves = tool.render(f'title: "{"t" * 45} {{{{ peer_name }}}} end"', event)

    assert leaves["title"] == "t" * 45 + "  end"


def test_a_value_that_means_something_only_as_a_whole_is_not_shortened(tool: Tool) -> None:
    event = PeerJoined(peer_name="A" * 50, party_name="B" * 50)

    title = str(tool.render('title: "{{ peer_name | link }}{{ party_name }}"', event)["title"])

    assert title == "<" + "A" * 50 + ">"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("titel: x", "base/toy/event.yaml:1:1: titel: unknown key, did you mean 'title'?"),
        (
            "foot: {ikon: x}",
            "base/toy/event.yaml:1:8: foot.ikon: unknown key, did you mean 'icon'?",
        ),
        (
            "zzz: x",
            (
                "base/toy/event.yaml:1:1: zzz: unknown key (there are count, foot, long, must, number, rows, "
                "text, time, title, units)"
            ),
        ),
        (
            "text: x\nnumber: #4CAF50\n",
            (
                "base/toy/event.yaml:2:8: number: YAML reads '#4CAF50' as a comment: put the value in "
                "quotes"
            ),
        ),
        (
            "title: Match #3\n",
            "base/toy/event.yaml:1:8: title: YAML reads '#3' as a comment: put the value in quotes",
        ),
        (
            "foot: [a]",
            "base/toy/event.yaml:1:7: foot: expected keys with values (icon, text), found a list",
        ),
        (
            "rows:\n- x",
            (
                "base/toy/event.yaml:2:3: rows[]: expected keys with values (for, name, value), found a text"
            ),
        ),
        (
            "- a",
            "base/toy/event.yaml:1:1: expected keys with values (count, foot, long, must, number",
        ),
        ("? [a]\n: b", "base/toy/event.yaml:1:3: a key must be text, not a list or a mapping"),
        ("title: '{{ peer_name'", "base/toy/event.yaml:1: title: unexpected end of template"),
        ("title: '{{ x | safe }}'", "base/toy/event.yaml:1: title: No filter named 'safe'."),
        ("number: abc", "base/toy/event.yaml:1: number: invalid literal for int()"),
    ],
)
def test_problems_name_file_leaf_line_and_remedy(tool: Tool, text: str, expected: str) -> None:
    tool.render(text)

    assert len(tool.messages) == 1
    assert tool.messages[0].startswith(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "title: x # a comment",
        "title: 'Match #3' # final",
        "number: # no number\ntitle: x",
        "# only",
    ],
)
def test_comments_are_comments(tool: Tool, text: str) -> None:
    tool.render(text)

    assert tool.problems == []


def test_a_file_that_is_not_text_is_reported(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "title: base")
    (tool.root / "base/toy/peer_joined.yaml").write_bytes(b"title: \xff")

    assert tool.templates().render(ANN) == {"title": "base"}
    assert tool.messages == [
        "base/toy/peer_joined.yaml:1:8: this is not UTF-8 (byte 0xFF): save the file as UTF-8"
    ]


def test_a_file_that_cannot_be_read_is_reported(tool: Tool) -> None:
    folder = tool.root / "base"
    (folder / "toy" / "map_changed.yaml").mkdir(parents=True)

    class Claimed(type(folder)):  # type: ignore[misc]
        def is_file(self) -> bool:
            return True

    templates = Templates("toy", [Claimed(folder)], LEAVES, report=tool.problems.append)

    assert templates.render(MapChanged(map_name="x")) == {}
    assert tool.messages == [
        "base/toy/map_changed.yaml: cannot be read: Is a directory",
        "base/toy/event.yaml: the file does not exist",
    ]


@pytest.mark.parametrize(
    "mistake",
    [
        "title: *x",
        "title: !env X",
        "title: {{ type }}",
        "title: !!int x",
        "rows: [*x]",
        "rows: !x []",
    ],
)
def test_what_was_not_understood_takes_away_nothing_that_is_inherited(
    tool: Tool, mistake: str
) -> None:
    tool.write("base/toy/event.yaml", "title: any\nrows: [{name: a}]")
    tool.write("base/toy/peer_joined.yaml", f"{mistake}\ntext: good")

    assert tool.templates().render(ANN) == {"title": "any", "text": "good", "rows": [{"name": "a"}]}
    assert len(tool.problems) == 1


def test_anchors_and_merge_keys_work_as_in_the_configuration(tool: Tool) -> None:
    leaves = tool.render(
        "foot: &foot {text: '{{ peer_name }}', icon: i}\n"
        "rows:\n- &row {name: a, value: b}\n- {<<: *row, value: c}\n"
        "title: &title T\nlong: *title\n"
    )

    assert leaves == {
        "foot.text": "Ann",
        "foot.icon": "i",
        "rows": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}],
        "title": "T",
        "long": "T",
    }


def test_a_byte_order_mark_is_no_part_of_the_first_name(tool: Tool) -> None:
    assert tool.render("\ufefftitle: x") == {"title": "x"}


def test_an_event_whose_leaf_fails_is_reported_with_the_leaf_of_the_base_class(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "title: 'any {{ type }}'\ntext: any")
    tool.write("base/toy/peer_joined.yaml", "text: good\ntitle: |\n  Hello\n  {{ peer_nam }}\n")
    templates = tool.templates()

    for _ in range(3):
        assert templates.render(ANN) == {"title": "any peer_joined", "text": "good"}

    assert tool.messages == [
        "base/toy/peer_joined.yaml:4: title: 'peer_nam' is undefined, did you mean 'peer_name'?"
    ]


def test_a_check_finds_names_that_do_not_exist_wherever_they_stand(tool: Tool) -> None:
    tool.write(
        "base/toy/peer_joined.yaml",
        "title: '{{ peer_nam }}'\n"
        "text: |\n"
        "  {{ peer_name }}\n"
        "  {% if zzz %}only some have it{% endif %}\n"
        "rows:\n"
        "  - {name: '{{ games }}', value: '{{ rowes }}'}\n",
    )
    tool.write("base/toy/event.yaml", "long: '{{ map_name }} {{ games }} {{ nobody_has_it }}'")

    templates = tool.templates(context=["invite"])
    templates.check([PeerJoined, VeteranJoined, MapChanged])

    assert sorted(tool.messages) == [
        "base/toy/event.yaml:1: long: 'nobody_has_it' is undefined",
        "base/toy/peer_joined.yaml:1: title: 'peer_nam' is undefined, did you mean 'peer_name'?",
        "base/toy/peer_joined.yaml:4: text: 'zzz' is undefined",
        "base/toy/peer_joined.yaml:6: rows[].value: 'rowes' is undefined",
    ]
    templates.render(ANN)
    assert sum("peer_nam" in message for message in tool.messages) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{{ invite }} {{ event.id }} {{ fields | length }} {{ type }}",
        "{% set mine = peer_name %}{{ mine }}{% for item in fields %}{{ item }}{{ loop.index }}{% endfor %}",
        "{% if nick is defined %}{{ nick }}{% endif %}",
        "{{ nick | default(peer_name) }}{{ other | d('?') }}",
        "{% macro m(x) %}{{ x }}{{ varargs | length }}{% endmacro %}{{ m(peer_name) }}",
    ],
)
def test_a_check_accepts_names_that_exist_or_may_be_missing(tool: Tool, text: str) -> None:
    tool.write("base/toy/peer_joined.yaml", f'title: "{text}"\ncount: "{{{{ count }}}}"')

    tool.templates(context=["invite"]).check([PeerJoined])

    assert tool.messages == []


def odd_number(value: int) -> str:
    return f"{value} is odd" if value % 2 else ""


def small_number(value: object) -> int:
    number = parse_number(value)
    if number > 9:
        raise LeafWarning(f"{number} is large")

    return number


def test_what_is_valid_but_unusual_is_a_warning_at_check_and_once_per_leaf(tool: Tool) -> None:
    tool.leaves["number"] = TemplateLeaf(parse=small_number, warn=odd_number)
    tool.leaves["rows[].value"] = TemplateLeaf(parse=small_number, warn=odd_number)
    tool.write("base/toy/event.yaml", "number: '5'\nrows:\n- {name: a, value: 7}")
    tool.write("base/toy/map_changed.yaml", "title: x\nnumber: '{{ map_name }}'")
    tool.write("base/toy/peer_joined.yaml", "number: 11")
    templates = tool.templates()
    templates.check([Event, MapChanged, PeerJoined])
    assert tool.messages == [
        "base/toy/event.yaml:1: number: 5 is odd",
        "base/toy/event.yaml:3: rows[].value: 7 is odd",
        "base/toy/peer_joined.yaml:1: number: 11 is large",
    ]
    found = [
        templates.render(MapChanged(map_name=name))["number"]
        for name in ("2", "3", "7", "12", "15")
    ]
    assert found == [2, 3, 7, 5, 5]
    assert tool.messages[3:] == [
        "base/toy/map_changed.yaml:2: number: 3 is odd",
        "base/toy/map_changed.yaml:2: number: 12 is large",
    ]
    assert all(problem.is_warning for problem in tool.problems)


def test_what_fails_differently_for_each_event_is_reported_once(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "number: '{{ map_name }}'\ntitle: x")
    templates = tool.templates()

    for name in ("a", "b", "5"):
        leaves = templates.render(MapChanged(map_name=name))

    assert leaves == {"number": 5, "title": "x"}
    assert len(tool.problems) == 1
    assert tool.problems[0].leaf == "number"
    assert tool.problems[0].line == 1


def test_a_leaf_that_fails_falls_back_to_the_next_folder_first(tool: Tool) -> None:
    tool.write("mine/toy/peer_joined.yaml", "title: '{{ 1 / 0 }}'")
    tool.write("base/toy/peer_joined.yaml", "title: bundled")

    assert tool.templates("mine", "base").render(ANN) == {"title": "bundled"}
    assert tool.messages == [
        "mine/toy/peer_joined.yaml:1: title: ZeroDivisionError: division by zero"
    ]


def test_values_that_cannot_be_written_cost_only_their_leaf(tool: Tool) -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no" * 500)

    leaves = tool.render(
        "title: '{{ server }}'\ntext: good", MapChanged(map_name="", server=Rude())
    )

    assert leaves == {"text": "good"}
    assert len(tool.messages[0]) < 300


def test_of_a_list_only_the_item_that_fails_is_missing(tool: Tool) -> None:
    leaves = tool.render("rows:\n- {name: a, value: '{{ nope }}'}\n- {name: c, value: ''}")

    assert leaves == {"rows": [{"name": "c"}]}
    assert tool.messages == ["base/toy/event.yaml:2: rows[].value: 'nope' is undefined"]


@pytest.mark.parametrize("template", ["{{ nope }}", "{{ nope"])
def test_a_list_of_which_all_items_fail_comes_from_the_base_class(
    tool: Tool, template: str
) -> None:
    tool.write("base/toy/event.yaml", "rows: [{name: a, value: b}]")
    tool.write("base/toy/peer_joined.yaml", f"rows: [{{name: a, value: '{template}'}}]")

    assert tool.templates().render(ANN) == {"rows": [{"name": "a", "value": "b"}]}


def test_if_no_list_is_left_there_is_none(tool: Tool) -> None:
    assert tool.render("rows: [{name: '{{ nope }}'}]") == {}


@pytest.mark.parametrize(
    "text",
    [
        "{{ event.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ fields.update(x=1) }}",
        "{% include 'event.yaml' %}",
    ],
)
def test_templates_stay_in_their_sandbox(tool: Tool, text: str) -> None:
    assert tool.render(f'title: "{text}"\ntext: good') == {"text": "good"}
    assert len(tool.problems) == 1


def test_check_reports_all_problems_before_the_first_event(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "title: '{{ oops'")
    tool.write("base/toy/peer_joind.yaml", "title: x")
    tool.write("base/toy/peer_left.yml", "title: x")
    tool.write("base/toy/notes.txt", "not a template")
    tool.write("flat/peer_joined.yaml", "title: x")

    tool.templates("base", "flat", "gone").check([PeerJoined, PeerLeft])

    assert sorted(tool.messages) == [
        "base/toy/event.yaml:1: title: unexpected end of template, expected 'end of print statement'.",
        (
            "base/toy/peer_joind.yaml: is not used: there is no event type 'peer_joind', did you mean "
            "'peer_joined'?"
        ),
        "base/toy/peer_left.yml: is not used: the name of a template ends in .yaml",
        "flat/peer_joined.yaml: is not used: move it into a folder 'toy' beside it",
        "gone: there is no such folder",
    ]


async def test_preparing_reports_what_checking_does_and_lets_others_run(tool: Tool) -> None:
    tool.write("base/toy/event.yaml", "title: '{{ oops'")
    tool.write("base/toy/peer_joind.yaml", "title: x")
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        await tool.templates("base", "gone").prepare([PeerJoined, PeerLeft])
        assert turns
        tasks.cancel_scope.cancel()

    prepared, tool.problems = tool.messages, []
    tool.templates("base", "gone").check([PeerJoined, PeerLeft])
    assert len(prepared) == 3
    assert tool.messages == prepared


def test_checking_again_reports_nothing_again(tool: Tool) -> None:
    tool.write("base/toy/peer_joind.yaml", "title: x")
    templates = tool.templates("base", "gone")

    templates.check([PeerJoined])
    templates.check([PeerJoined])

    assert len(tool.problems) == 2


def test_templates_of_base_classes_and_other_plugins_are_no_problems(tool: Tool) -> None:
    tool.write("base/toy/party_event.yaml", "title: x")
    tool.write("base/other/whatever.yaml", "title: x")

    tool.templates().check([PeerJoined])

    assert tool.problems == []


def test_a_folder_that_cannot_be_listed_is_reported(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.write("base/toy/event.yaml", "title: x")

    def fail(self: Path) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", fail)
    tool.templates().check([PeerJoined])

    assert tool.messages == ["base: cannot be read (Permission denied)"]


def test_problems_are_logged_by_default(tool: Tool, caplog: pytest.LogCaptureFixture) -> None:
    tool.write("base/toy/event.yaml", "title: '{{ nope }}'")
    templates = Templates("toy", [tool.root / "base"], LEAVES)

    with caplog.at_level(logging.ERROR, "lanrage_events.templates"):
        templates.render(ANN)
        templates.render(ANN)

    [record] = caplog.records
    assert record.getMessage().endswith("event.yaml:1: title: 'nope' is undefined")


def test_each_file_is_read_once(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.write("base/toy/event.yaml", "title: '{{ type }}'")
    templates = tool.templates()
    first = templates.render(ANN)
    tool.write("base/toy/event.yaml", "title: changed")

    assert templates.render(ANN) == first
    assert templates.render(PeerLeft(peer_name="a", party_name="b")) == {"title": "peer_left"}


def test_filters_write_in_their_order_however_they_stand(tmp_path: Path) -> None:
    filters = {
        "first": TemplateFilter(lambda text: f"1{text}"),
        "second": TemplateFilter(
            lambda text: f"2{text}", order=1, after={"first": lambda text: f"after {text}"}
        ),
        "other": TemplateFilter(str, excludes={"first": "they differ"}),
    }
    problems: list[TemplateError] = []
    (tmp_path / "toy").mkdir()

    def render(text: str) -> object:
        (tmp_path / "toy" / "event.yaml").write_text(f'title: "{text}"', encoding="utf-8")
        templates = Templates("toy", [tmp_path], LEAVES, filters=filters, report=problems.append)
        return templates.render(ANN).get("title")

    assert render("{{ peer_name | first | second }}") == "after 1Ann"
    assert render("{{ peer_name | second | upper | first | first }}") == "after 1ANN"
    assert render("{{ peer_name | second }}") == "2Ann"
    assert problems == []
    assert render("{{ peer_name | first | upper | other }}") is None
    assert str(problems[0]).endswith(
        "title: 'other' and 'first' make no sense together: they differ"
    )


def test_a_continuation_writes_the_lines_of_a_value_where_it_stands(tmp_path: Path) -> None:
    continuation = Continuation(
        lambda before: before.rpartition("\n")[2],
        lambda text, write, place: f"{place}({write(text)})",
    )
    leaves = {"text": TemplateLeaf(write=str.upper, lines=True, continuation=continuation)}
    event = PeerJoined(peer_name="a\nb", party_name="c")
    (tmp_path / "toy").mkdir()
    text = "text: |\n  x\n  - {{ peer_name | lines }}\n  {{ party_name }} {{ peer_name }}\n"
    (tmp_path / "toy" / "event.yaml").write_text(text, encoding="utf-8")

    rendered = Templates("toy", [tmp_path], leaves).render(event)

    assert rendered == {"text": "x\n- - (A\nB)\nC A B"}
