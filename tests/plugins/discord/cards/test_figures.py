"""The figures that the benchmarks show of cards, and the bounds that each keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks._card_scenarios import SCENARIOS, Figure, Scenario

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_each_figure_keeps_its_bound(tmp_path: Path, scenario: Scenario) -> None:
    figures = await scenario(tmp_path)
    assert [one.check.text for one in figures if not one.check.passed] == []


def test_a_figure_says_which_bound_it_misses() -> None:
    check = Figure("posts", 0.9, 1.1, 0.95, unit=" x").check
    assert (check.text, check.passed) == ("posts: 0.900 x (≥ 0.95)", False)
