from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from lanrage_events._discovery import Catalog
from lanrage_events.config import ConfigError, ConfigModel, validate
from lanrage_events.config._introspection import models
from lanrage_events.config._models import CommonConfig, Settings
from lanrage_events.yaml import parse

NAMES = ("discord", "http", "log", "logfile", "presence", "webhook")


def setting_models() -> Iterator[type[BaseModel]]:
    roots: list[Any] = [Settings, CommonConfig]
    roots += [Catalog.discover().load(name).config_class for name in NAMES]
    for root in roots:
        yield from models(root)


def takes_numbers(schema: dict[str, Any]) -> bool:
    """Whether a schema takes a number or a duration, and no boolean."""
    parts = [schema, *schema.get("anyOf", ())]
    kinds = [part.get("type") for part in parts]
    is_duration = any("500ms" in part.get("examples", ()) for part in parts)
    has_boolean = "boolean" in kinds or any(isinstance(part.get("const"), bool) for part in parts)
    return not has_boolean and (is_duration or bool({"integer", "number"} & {*kinds}))


def number_settings() -> Iterator[tuple[type[BaseModel], str]]:
    for model in dict.fromkeys(setting_models()):
        schema = TypeAdapter(model).json_schema()
        for name, field in schema.get("properties", {}).items():
            if takes_numbers(field):
                yield model, name


SETTINGS = sorted(
    {(model.__name__, name): (model, name) for model, name in number_settings()}.items()
)


def test_the_settings_with_numbers_are_found() -> None:
    names = {name for _, (_, name) in SETTINGS}

    assert names >= {"port", "max_body", "size", "drain_timeout", "hook_timeout"}


@pytest.mark.parametrize("text", ["true", "false"])
@pytest.mark.parametrize(("model", "name"), [pair for _, pair in SETTINGS])
def test_a_boolean_is_no_number_in_any_setting(
    model: type[BaseModel], name: str, text: str
) -> None:
    class Whole(ConfigModel):
        part: model  # type: ignore[valid-type]

    Whole.model_rebuild(_types_namespace={"model": model})
    with pytest.raises(ConfigError) as caught:
        validate(parse(f"part: {{{name}: {text}}}", "file.yaml"), Whole)

    place = f"file.yaml:1:{len(f'part: {{{name}: ') + 1}: part.{name}: expected "
    assert any(problem.startswith(place) for problem in caught.value.problems)
