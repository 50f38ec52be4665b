"""How events that happen at about the same time are posted together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from lanrage_events.config import ConfigModel, Duration

from .checks import raise_problems

_Settle = Annotated[Duration, Field(ge=0, le=600)]


_TRUTH = TypeAdapter(bool)


def _parse_switch(value: object) -> object:
    """Return keys with values, none of them for a truth value, which a placeholder makes a text."""
    if value is None or isinstance(value, (Mapping, ConfigModel)):
        return value

    try:
        return {} if _TRUTH.validate_python(value) else None
    except ValidationError:
        keys = ", ".join(FlappingConfig.model_fields)
        raise ValueError(f"expected true, false, or keys with values: {keys}") from None


class SettleConfig(ConfigModel):
    """How long it must last that someone joined or left before it is posted."""

    leave: _Settle = 25.0
    """who comes back earlier has not left; 0s to post each leave at once"""
    join: _Settle = 0.0
    """who leaves earlier has not joined; 0s to post each join at once"""

    @property
    def is_on(self) -> bool:
        """Whether anything must last."""
        return bool(self.leave or self.join)


class FlappingConfig(ConfigModel):
    """When a connection is unsteady, so that it is posted once and then not again for a while."""

    times: Annotated[int, Field(ge=2, le=100)] = 4
    """how many reconnects are too many"""
    within: Annotated[Duration, Field(gt=0, le=86_400)] = 600.0
    """in how long"""
    quiet: Annotated[Duration, Field(gt=0, le=86_400)] = 900.0
    """how long nothing must change until joins and leaves are posted again"""


class BatchConfig(ConfigModel):
    """How events that happen at about the same time are posted together."""

    window: Annotated[Duration, Field(ge=0, le=60)] = 0.5
    """how long events are gathered before they are sent"""
    immediate: bool = True
    """whether the first event after a quiet window is sent at once, without gathering"""
    style: Literal["digest", "embeds"] = "digest"
    """``digest`` lists several events in one embed; ``embeds`` shows up to 10 embeds in a message"""
    max_messages: Annotated[int, Field(ge=1)] | None = None
    """how many messages a batch may take; the rest of it becomes one counted line"""
    settle: SettleConfig = SettleConfig()
    """how long it must last that someone joined or left before it is posted"""
    reconnects: Literal["count", "post", "omit"] = "count"
    """whether it is said that someone left and came back in time: ``count`` says it in the next
    message, ``post`` also in one of its own, ``omit`` not at all"""
    flapping: Annotated[
        FlappingConfig | None,
        BeforeValidator(_parse_switch, json_schema_input_type=FlappingConfig | bool | None),
    ] = FlappingConfig()
    """when a connection is unsteady, which is posted once; ``false`` to post each reconnect as above"""

    @model_validator(mode="after")
    def _check_flapping(self) -> Self:
        flapping, leave = self.flapping, self.settle.leave
        if flapping is not None and flapping.within < leave:
            within = f"{flapping.within:g}s"
            short = f"{within} is shorter than settle.leave, {leave:g}s: make it longer"
            long = f"{leave:g}s is longer than flapping.within, {within}: make it shorter"
            raise_problems([(("flapping", "within"), short), (("settle", "leave"), long)])

        return self
