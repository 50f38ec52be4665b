"""The filters of a value add up in any order, and its lines stay what the first one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event
from lanrage_events.templates import TemplateError
from lanrage_events_discord._preview import Style, parse_markdown
from lanrage_events_discord._rendering import FILTERS, Renderer

NAMES = ("lines", *(name for name, one in FILTERS.items() if not one.leaves))
TEXT = "a*b_[c]`\n# two"
ADDRESS = "https://x.example/[a]*"
IN_CODE = "in code, markdown is shown as it is written"
ONE_LINE = "the text of a link has one line"
ADDRESS_LINE = "an address has one line"
NO_MARKDOWN = "an address is no markdown"

PAIRS = {
    ("code", "code_text"): "`a*b_[c]ˋ # two`",
    ("code", "lines"): "```\na*b_[c]`\n# two\n```",
    ("code", "link_text"): "``a*b_（c）` # two``",
    ("code", "markdown"): IN_CODE,
    ("code", "url"): "`https://x.example/%5Ba%5D%2A`",
    ("code", "urlencode"): "`a%2Ab_%5Bc%5D%60%20%23%20two`",
    ("code_text", "lines"): "a\\*b\\_\\[c]ˋ\n\\# two",
    ("code_text", "link_text"): "a∗b＿(c)ˋ # two",
    ("code_text", "markdown"): IN_CODE,
    ("code_text", "url"): "https://x.example/%5Ba%5D%2A",
    ("code_text", "urlencode"): "a%2Ab\\_%5Bc%5D%60%20%23%20two",
    ("lines", "link_text"): ONE_LINE,
    ("lines", "markdown"): "a*b_[c]`\n# two",
    ("lines", "url"): ADDRESS_LINE,
    ("lines", "urlencode"): "a%2Ab\\_%5Bc%5D%60%0A%23%20two",
    ("link_text", "markdown"): "a*b_（c）` # two",
    ("link_text", "url"): "https：//x.example/%5Ba%5D%2A",
    ("link_text", "urlencode"): "a%2Ab＿%5Bc%5D%60%20%23%20two",
    ("markdown", "url"): NO_MARKDOWN,
    ("markdown", "urlencode"): NO_MARKDOWN,
    ("url", "urlencode"): "https%3A%2F%2Fx.example%2F%255Ba%255D%252A",
}
REASONS = (IN_CODE, ONE_LINE, ADDRESS_LINE, NO_MARKDOWN)
EXCLUDED = {frozenset(pair) for pair, text in PAIRS.items() if text in REASONS}
TRIPLES = {
    ("code", "code_text", "lines"): "```\na*b_[c]ˋ\n# two\n```",
    ("code", "code_text", "link_text"): "`a*b_（c）ˋ # two`",
    ("code", "code_text", "url"): "`https://x.example/%5Ba%5D%2A`",
    ("code", "code_text", "urlencode"): "`a%2Ab_%5Bc%5D%60%20%23%20two`",
    ("code", "lines", "urlencode"): "`a%2Ab_%5Bc%5D%60%0A%23%20two`",
    ("code", "link_text", "url"): "`https://x.example/%5Ba%5D%2A`",
    ("code", "link_text", "urlencode"): "`a%2Ab_%5Bc%5D%60%20%23%20two`",
    ("code", "url", "urlencode"): "`https%3A%2F%2Fx.example%2F%255Ba%255D%252A`",
    ("code_text", "lines", "urlencode"): "a%2Ab\\_%5Bc%5D%60%0A%23%20two",
    ("code_text", "link_text", "url"): "https：//x.example/%5Ba%5D%2A",
    ("code_text", "link_text", "urlencode"): "a%2Ab＿%5Bc%5D%60%20%23%20two",
    ("code_text", "url", "urlencode"): "https%3A%2F%2Fx.example%2F%255Ba%255D%252A",
    ("link_text", "url", "urlencode"): "https%3A%2F%2Fx.example%2F%255Ba%255D%252A",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSaid(Event):
    text: object
    players: object = ()


Render = Callable[..., str]


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def render(tmp_path: Path, problems: list[str]) -> Render:
    """Render a leaf for a text, checked before."""
    path = tmp_path / "discord" / "text_said.yaml"
    path.parent.mkdir()

    def report(problem: TemplateError) -> None:
        problems.append(str(problem).removeprefix(f"{path}:"))

    def render(
        text: str, value: object = TEXT, players: object = (), leaf: str = "description"
    ) -> str:
        indented = text.replace("\n", "\n  ")
        path.write_text(f"{leaf}: |-\n  {indented}\n", encoding="utf-8")
        renderer = Renderer([tmp_path], invite_url=lambda: None, report=report)
        renderer.check([TextSaid])
        embed = renderer.render(TextSaid(text=value, players=players)).embed
        # What a description cannot hold goes on in fields.
        return " ".join([str(getattr(embed, leaf)), *(field.value for field in embed.fields)])

    return render


def test_the_tables_are_complete() -> None:
    assert set(PAIRS) == set(combinations(sorted(NAMES), 2))
    allowed = {
        triple
        for triple in combinations(sorted(NAMES), 3)
        if not any(pair <= set(triple) for pair in EXCLUDED)
    }
    assert set(TRIPLES) == allowed


@pytest.mark.parametrize("names", list(permutations(sorted(NAMES), 2)))
def test_two_filters_add_up_or_are_an_error(
    render: Render, problems: list[str], names: tuple[str, ...]
) -> None:
    expected = PAIRS[min(names), max(names)]
    value = ADDRESS if "url" in names else TEXT

    text = render(f"{{{{ text | {' | '.join(names)} }}}}", value)

    if frozenset(names) in EXCLUDED:
        [problem] = problems
        assert problem.startswith("2: description: ")
        assert f"make no sense together: {expected}" in problem
        assert problem.endswith(expected)
        assert all(f"'{name}'" in problem for name in names)
    else:
        assert problems == []
        assert text == expected


@pytest.mark.slow
@pytest.mark.parametrize("names", list(combinations(sorted(NAMES), 3)))
def test_three_filters_add_up_in_any_order_or_are_an_error(
    render: Render, problems: list[str], names: tuple[str, str, str]
) -> None:
    value = ADDRESS if "url" in names else TEXT

    texts = {
        render(f"{{{{ text | {' | '.join(order)} }}}}", value) for order in permutations(names)
    }

    if names in TRIPLES:
        assert problems == []
        assert texts == {TRIPLES[names]}
    else:
        assert len(problems) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["lines", "code", "code_text", "link_text", "markdown", "urlencode"]
)
@pytest.mark.parametrize(
    "other", ["upper", "replace('t', 'T')", "default('x')", "trim", "truncate(6, True)"]
)
def test_filters_of_jinja_keep_what_filters_of_ours_say(
    render: Render, problems: list[str], name: str, other: str
) -> None:
    before = render(f"{{{{ text | {other} | {name} }}}}")
    after = render(f"{{{{ text | {name} | {other} }}}}")

    assert problems == []
    assert before == after


def test_a_combination_that_makes_no_sense_is_an_error_in_its_line(
    render: Render, problems: list[str]
) -> None:
    assert render("one\n{{ players | map('code') | join(', ') | upper | markdown }}") == ""
    assert problems == [f"3: description: 'markdown' and 'code' make no sense together: {IN_CODE}"]


def test_a_combination_that_is_found_only_at_an_event_is_an_error_too(
    render: Render, problems: list[str]
) -> None:
    assert render("{% set name = text | code %}\n{{ name | markdown }}") == ""
    assert [problem.partition(" make ")[0] for problem in problems] == [
        "3: description: 'markdown' and 'code'"
    ]


LINES = "a_b\n- two\n\n# three"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ text | lines }}", "a\\_b\n\\- two\n\n\\# three"),
        ("{{ text }}", "a\\_b - two # three"),
        ("{{ text | markdown }}", "a_b\n- two\n\n# three"),
        ("{{ text | markdown | lines }}", "a_b\n- two\n\n# three"),
        ("Players\n# Top\n{{ text | markdown }}", "Players\n# Top\na_b\n- two\n\n# three"),
        ("```\n{{ text | lines }}\n```", "```\na_b\n- two\n\n# three\n```"),
        ("```\n{{ text }}\n```", "```\na_b - two # three\n```"),
        ("{{ text | lines | code }}", "```\na_b\n- two\n\n# three\n```"),
        ("{{ text | code }}", "`a_b - two # three`"),
        ("> {{ text | lines }}", "> a\\_b\n> \\- two\n> \n> \\# three"),
        ("> Ann: {{ text | lines }}", "> Ann: a\\_b\n> \\- two\n> \n> \\# three"),
        ("> > {{ text | lines }}", "> > a\\_b\n> > \\- two\n> > \n> > \\# three"),
        (">>> {{ text | lines }}", ">>> a\\_b\n\\- two\n\n\\# three"),
        ("> ```\n> {{ text | lines }}\n> ```", "> ```\n> a_b\n> - two\n> \n> # three\n> ```"),
        ("> {{ text | lines | code }}", "> ```\n> a_b\n> - two\n> \n> # three\n> ```"),
        ("# {{ text | lines }}", "# a\\_b\n# \\- two\n# \\# three"),
        ("-# {{ text | lines }}", "-# a\\_b\n-# \\- two\n-# \\# three"),
        ("## {{ text | lines | code }}", "## `a_b`\n## `- two`\n## `# three`"),
        ("- {{ text | lines }}", "- a\\_b\n  \\- two\n  \\# three"),
        ("- {{ text | markdown }}", "- a_b\n  - two\n  # three"),
        ("12. {{ text | lines }}", "12. a\\_b\n    \\- two\n    \\# three"),
        ("x\n  * {{ text | lines }}", "x\n  * a\\_b\n    \\- two\n    \\# three"),
        ("- {{ text | lines | code }}", "- ```\n  a_b\n  - two\n  \n  # three\n  ```"),
        (
            "> - # {{ text | lines }}",
            ">   # a\\_b".replace("  #", "- #") + "\n>   # \\- two\n>   # \\# three",
        ),
        ("- {{ players[0] }}: {{ text | lines }}", "- Ann: a\\_b\n  \\- two\n  \\# three"),
        ("**{{ text | lines }}**", "**a\\_b\n\\- two\n\n\\# three**"),
        ("a - {{ text | lines }}", "a - a\\_b\n\\- two\n\n\\# three"),
        (
            "{% for p in [text, 'x'] %}\n- {{ p | lines }}\n{% endfor %}",
            "- a\\_b\n  \\- two\n  \\# three\n- x",
        ),
        ("[{{ text | lines }}](https://x.example)", "[a＿b - two # three](https://x.example)"),
        ("[{{ text | markdown }}](https://x.example)", "[a_b - two # three](https://x.example)"),
        ("[{{ text | code }}](https://x.example)", "[`a_b - two # three`](https://x.example)"),
        ("`{{ text | code }}`", "`a_b - two # three`"),
        ("`{{ text | markdown }}`", "`a_b - two # three`"),
        (
            "https://x.example/{{ text | lines }}",
            "https://x.example/a_b%0A-%20two%0A%0A%23%20three",
        ),
        ("{{ players | map('code') | join(', ') }}", "`Ann`, `B_ob`"),
        ("{{ players | map('code') | join('\n') | lines }}", "`Ann`\n`B_ob`"),
        ("`{{ players | map('code') | join(', ') }}`", "`Ann, B_ob`"),
        (
            "[{{ players | map('code') | join(', ') }}](https://x.example)",
            "[`Ann`, `B_ob`](https://x.example)",
        ),
        ("{{ players | map('markdown') | join(' * ') }}", "Ann * B_ob"),
        ("{{ players | join(', ') | code }}", "`Ann, B_ob`"),
        ("- {{ players | join('\n') | lines }}", "- Ann\n  B\\_ob"),
    ],
)
def test_lines_stay_what_the_first_one_is(
    render: Render, problems: list[str], template: str, expected: str
) -> None:
    assert render(template, LINES, ("Ann", "B_ob")) == expected
    assert problems == []


def test_a_leaf_of_one_line_stays_one(render: Render) -> None:
    assert render("> {{ text | lines }}", LINES, leaf="title") == "> a\\_b - two # three"
    assert render("{{ text | lines | code }}", LINES, leaf="title") == "`a_b - two # three`"
    assert render("{{ text | markdown }}", LINES, leaf="title") == "a_b - two # three"


def test_a_trace_in_a_fence_keeps_its_lines_when_it_is_shortened(render: Render) -> None:
    trace = "\n".join(f"  at Game.Frame{number}()" for number in range(1000))

    for template in ("> {{ text | lines | code }}", "> ```\n> {{ text | lines }}\n> ```"):
        text = render(template, trace)

        assert 3900 < len(text) <= 4096
        assert all(line.startswith("> ") for line in text.split("\n"))
        assert text.endswith("…\n> ```")


def test_a_list_of_code_is_shortened_between_items(render: Render) -> None:
    names = [f"player_{number}`" for number in range(1000)]

    text = render("{{ players | map('code') | join(', ') }}", players=names)

    assert 5900 < len(text) <= 6000
    shown, _, rest = text.rpartition(" and ")
    spans = [span.text for span in parse_markdown(shown) if span.style is Style.CODE]
    assert spans == names[: len(spans)]
    assert rest == f"{1000 - len(spans)} more"


@given(st.text(st.sampled_from("ab`*_#->.1 \n[]()\\"), min_size=1, max_size=30))
@pytest.mark.slow
def test_no_value_ends_its_quote_or_its_code(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "filters"
    path = folder / "discord" / "text_said.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "description: '> {{ text | lines }}'\nfields:\n- name: x\n  value: '{{ text | lines | code }}'",
        encoding="utf-8",
    )
    embed = Renderer([folder], invite_url=lambda: None).render(TextSaid(text=value)).embed

    assert all(line.startswith("> ") for line in embed.description.split("\n") if embed.description)
    for field in embed.fields:
        [span] = parse_markdown(field.value)
        assert span.style is Style.CODE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "text", "expected"),
    [
        ("{{ text | code_text }}", "# _a_`", "\\# \\_a\\_ˋ"),
        ("{{ text | link_text }}", "# _a_", "\\# ＿a＿"),
        ("{{ text | urlencode }}", "_a_", "\\_a\\_"),
        ("{{ [text] | map('code_text') | join(', ') }}", "# _a_", "\\# \\_a\\_"),
        ("`{{ text | code_text }}`", "# _a_`", "`# _a_ˋ`"),
        ("[map](https://x.example/{{ text | urlencode }})", "_a_", "[map](https://x.example/_a_)"),
        (
            "[map]({{ 'https://x.example' }}/{{ text | urlencode }})",
            "_a_",
            "[map](https://x.example/_a_)",
        ),
        ("*{{ text }}*", " a ", "*a*"),
        ("*{{ text }}*", "\u200b \u2003a\u3000", "*a*"),
        ("*{{ text }}*", "\n a", "*a*"),
        ("{{ 'by ' ~ text }}{{ ' now' }}", " a", "by a now"),
    ],
)
def test_a_value_is_no_markup_where_its_filter_does_not_belong(
    render: Render, template: str, text: str, expected: str
) -> None:
    assert render(template, text) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("`{{ players | join('`, `') }}`", "`A*`, `Bˋ`"),
        ("**{{ players | join('**, **') }}**", "**A\\***, **B\\`**"),
        ("**{{ players | map('upper') | join('**, **') }}**", "**A\\***, **B\\`**"),
        ("{{ players | join(text) }}", "A\\*\\*\\*B\\`"),
    ],
)
def test_what_a_template_writes_between_the_items_of_a_list_is_markup(
    render: Render, template: str, expected: str
) -> None:
    assert render(template, "**", ("A*", "B`")) == expected
