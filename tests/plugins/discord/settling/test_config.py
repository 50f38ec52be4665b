"""The configuration of unsteady connections, which may be a truth value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lanrage_events_discord._config import DiscordConfig


def flapping(value: object) -> object:
    return DiscordConfig.model_validate({"batch": {"flapping": value}}).batch.flapping


# In YAML 1.2, and from a placeholder, they are texts.
@pytest.mark.parametrize("value", [False, "off", "false", "no", None])
def test_it_is_switched_off(value: object) -> None:
    assert flapping(value) is None


@pytest.mark.parametrize("value", [True, "on", "true", {}])
def test_it_is_switched_on(value: object) -> None:
    assert flapping(value) == DiscordConfig().batch.flapping is not None


@pytest.mark.parametrize("value", [5, "never", [], "10s"])
def test_another_value_is_an_error_that_says_what_is_allowed(value: object) -> None:
    with pytest.raises(ValidationError, match="expected true, false, or keys with values: times, "):
        flapping(value)
