"""Command lines that are wrong: what is said about them."""

from __future__ import annotations

import pytest

from lanrage_events._cli import main


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            "outbox list a.yaml",
            "unexpected argument 'a.yaml': a configuration is given as --config a.yaml",
        ),
        ("outbox show 1 a.yml", "a configuration is given as --config a.yml"),
        ("plugins log", "unexpected argument 'log': see --help"),
        ("check a.yaml b.yaml", "unexpected argument 'b.yaml': see --help"),
        ("outbox show abc", "NUMBER: expected a whole number, not 'abc'"),
        ("outbox list --limit all", "--limit: expected a whole number, not 'all'"),
        (
            "check --event peer_joined",
            '; such as {"type": "peer_joined", "peer_name": "Ann", "party_',
        ),
        ("outbox list --limt 3", "Unknown option: --limt. Did you mean --limit?"),
        ("chek", 'Unknown command "chek". Did you mean "check"?'),
    ],
)
def test_a_wrong_word_is_named_with_the_remedy(
    words: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert text in capsys.readouterr().err
