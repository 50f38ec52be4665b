"""Describes every key of the YAML file, from the models that check it.

Types, defaults and bounds come from the JSON Schema that ``lanrage-events schema`` prints and from
the models behind it, descriptions from their docstrings. The example of a key is its value in the
file of the plugin's name in ``docs/examples/settings``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lanrage_events._discovery import Catalog
from lanrage_events.config._models import CommonConfig, Settings
from lanrage_events.config._schema import json_schema
from lanrage_events.config._types import DURATION_PATTERN, format_duration

Schema: TypeAlias = Mapping[str, Any]

DAEMON = "daemon"
COMMON = "every-plugin"
_COMMON_KEYS = tuple(CommonConfig.model_fields)
_BOUNDS = (("ge", "at least {}"), ("gt", "more than {}"), ("le", "at most {}"), ("lt", "below {}"))
_WORDS = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the YAML file."""

    path: str
    """such as ``batch.window``; ``*`` stands for a name, ``[]`` for each item of a list"""
    type: str
    default: str
    """empty if it is required or a section"""
    is_required: bool
    description: str
    """in Markdown"""
    same_as: str = ""
    """what has the same keys, if it is a section that is described there"""
    is_section: bool = False


def plugin_names() -> tuple[str, ...]:
    """Return the names of the plugins that are described."""
    return Catalog.discover().names


def settings_of(name: str) -> list[Setting]:
    """Return the keys of a plugin's section, or of another part of the file.

    :param name: of the plugin, or ``daemon`` for the keys at the top, or ``every-plugin``
    """
    catalog = Catalog.discover()
    schema = json_schema(catalog, formats=True)
    definitions = schema["definitions"]
    if name == DAEMON:
        model: type[BaseModel] | None = Settings
        section: Schema = {"properties": _without(schema["properties"], ("plugins",))}
    elif name == COMMON:
        model = CommonConfig
        section = {"properties": _only(_any_section(definitions), _COMMON_KEYS)}
    else:
        model = catalog.load(name).config_class
        section = definitions[f"plugin.{name}"]
        own = _without(section["properties"], _COMMON_KEYS)
        section = {"properties": own, "required": section.get("required", ())}

    return list(_Walk(definitions, _models(model)).walk(section, model, ""))


def _any_section(definitions: Schema) -> Schema:
    properties: Schema = next(
        definition["properties"] for name, definition in definitions.items() if "plugin." in name
    )
    return properties


def _without(properties: Schema, names: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in names}


def _only(properties: Schema, names: Iterable[str]) -> dict[str, Any]:
    return {key: properties[key] for key in names}


def _models(annotation: object) -> dict[str, type[BaseModel]]:
    """Return every model within a type by the name of its class."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner = (_models(info.annotation) for info in annotation.model_fields.values())
        found = {name: model for models in inner for name, model in models.items()}
        return {annotation.__name__: annotation, **found}

    arguments = (_models(argument) for argument in get_args(annotation))
    return {name: model for models in arguments for name, model in models.items()}


@dataclass(slots=True)
class _Walk:
    definitions: Schema
    models: Mapping[str, type[BaseModel]]
    seen: dict[str, str] = field(default_factory=dict)
    """the definitions that were described, with the path of the section"""

    def walk(self, section: Schema, model: type[BaseModel] | None, above: str) -> Iterator[Setting]:
        known = {} if model is None else model.model_fields
        fields = {info.alias: info for info in known.values() if info.alias is not None}
        for name, schema in section["properties"].items():
            info = None if model is None else fields.get(name) or model.model_fields[name]
            yield from self._key(name, schema, info, section, f"{above}{name}")

    def _key(
        self, name: str, schema: Schema, info: FieldInfo | None, section: Schema, path: str
    ) -> Iterator[Setting]:
        inner = list(self._inner(schema, path))
        # A mapping or a list of sections is described by the keys of one of them.
        news = [(where, ref) for where, ref in inner if not self._is_known(ref, section)]
        same_as = ""
        if inner and not news:
            same_as = self.seen.get(inner[0][1], path.rpartition(".")[0])

        required = name in section.get("required", ())
        yield Setting(
            path=path,
            type=self._words(schema, info),
            default="" if required or inner else self._default(schema),
            is_required=required,
            description=_sentence(schema.get("description", "")),
            same_as=same_as,
            is_section=bool(inner),
        )
        for where, reference in news:
            self.seen[reference] = where
            model = self.models.get(reference.rpartition(":")[2])
            yield from self.walk(self.definitions[reference], model, f"{where}.")

    def _is_known(self, reference: str, section: Schema) -> bool:
        if reference in self.seen:
            return True

        own = self.definitions[reference]["properties"]
        around = section["properties"]
        return all(key in around for key in own)

    def _inner(self, schema: Schema, path: str) -> Iterator[tuple[str, str]]:
        """Yield the definitions of sections within, each with its path."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/definitions/")
            if "properties" in self.definitions[name]:
                yield path, name

        for key in ("anyOf", "allOf"):
            for choice in schema.get(key, ()):
                yield from self._inner(choice, path)

        if isinstance(schema.get("items"), dict):
            yield from self._inner(schema["items"], f"{path}[]")

        if isinstance(schema.get("additionalProperties"), dict):
            yield from self._inner(schema["additionalProperties"], f"{path}.*")

    def _words(self, schema: Schema, info: FieldInfo | None = None) -> str:
        """Say in words what a value may be."""
        choices = [*schema.get("anyOf", ()), *schema.get("allOf", ())]
        if choices:
            words = dict.fromkeys(filter(None, (self._words(choice, info) for choice in choices)))
            if "number" in words:
                words.pop("whole number", None)

            return _any_of([*words])

        if "$ref" in schema:
            definition = self.definitions[schema["$ref"].removeprefix("#/definitions/")]
            return "section" if "properties" in definition else ""

        if "enum" in schema:
            return _any_of([f"`{value}`" for value in schema["enum"]])

        kind = schema.get("type")
        if kind == "array":
            items = self._words(schema["items"], info)
            return f"list of {_plural(items)}" if items else "list"

        if kind == "object" and "properties" in schema:
            return " and ".join(f"`{{{key}: …}}`" for key in schema["properties"])

        if kind == "object":
            values = schema["additionalProperties"]
            return (
                "mapping" if values is True else f"mapping of names to {self._words(values, info)}"
            )

        if schema.get("pattern") == DURATION_PATTERN:
            return _with_bounds("duration", _bounds(info), format_duration)

        if kind in ("integer", "number"):
            bounds = {"ge": schema.get("minimum"), "le": schema.get("maximum")}
            return _with_bounds(_WORDS[kind], bounds, lambda number: f"{number:,}")

        if kind == "string":
            return _text(schema)

        return _WORDS.get(str(kind), "")

    def _default(self, schema: Schema) -> str:
        default = schema.get("default")
        if default is None or default in ([], {}):
            return "none"

        return f"`{_flow(default)}`"


def _text(schema: Schema) -> str:
    match schema.get("format"):
        case "path":
            return "path"
        case "password":
            return "secret text"

    if schema.get("pattern") == r"^\s*$":
        return ""

    if ":" in schema.get("pattern", ""):
        return "time of the day in quotes"

    if schema.get("pattern"):
        return "number in quotes" if "0-9" in schema["pattern"] else "text"

    longest = schema.get("maxLength")
    return f"text of up to {longest} characters" if longest else "text"


def _any_of(words: list[str]) -> str:
    *others, last = words or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _plural(words: str) -> str:
    return re.sub(r"^(text|path|section|number)\b", r"\1s", words)


def _bounds(info: FieldInfo | None) -> dict[str, Any]:
    if info is None:
        return {}

    metadata = [*info.metadata, *_metadata(info.annotation)]
    return {
        name: getattr(item, name) for item in metadata for name, _ in _BOUNDS if hasattr(item, name)
    }


def _metadata(annotation: object) -> Iterator[object]:
    """Yield what stands in ``Annotated`` within a type, and in its ``Field``."""
    for item in getattr(annotation, "__metadata__", ()):
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)

    for argument in get_args(annotation):
        yield from _metadata(argument)


def _with_bounds(kind: str, bounds: Mapping[str, Any], write: Any) -> str:
    parts = [
        text.format(write(bounds[name])) for name, text in _BOUNDS if bounds.get(name) is not None
    ]
    return f"{kind}, {' and '.join(parts)}" if parts else kind


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." * (not text.endswith("."))


def _flow(value: object) -> str:
    """Return a value as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def examples_of(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the sections of the example file of a plugin, or of another part of the file.

    :param name: as for :func:`settings_of`
    :param folder: ``docs/examples/settings``
    """
    data: dict[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
    if name == DAEMON:
        return [data]

    sections = {key: section or {} for key, section in data["plugins"].items()}
    if name == COMMON:
        return list(sections.values())

    return [section for key, section in sections.items() if section.get("use", key) == name]


def example_of(path: str, sections: Iterable[Mapping[str, Any]]) -> str | None:
    """Return an example of a key as a line of YAML, or None if there is none.

    :param path: as in :class:`Setting`
    :param sections: where to look for it
    """
    for section in sections:
        for value in _find(section, re.findall(r"\[\]|[^.\[\]]+", path)):
            return f"{path.rpartition('.')[2]}: {_flow(value)}"

    return None


def _find(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
        return

    step, *rest = steps
    if step == "[]" and isinstance(value, list):
        inner = value
    elif step == "*" and isinstance(value, dict):
        inner = list(value.values())
    else:
        inner = [value[step]] if isinstance(value, dict) and step in value else []

    for item in inner:
        yield from _find(item, rest)


def lines(name: str, folder: Path) -> Iterator[str]:
    """Yield the description of all keys of one part of the file, in Markdown.

    :param name: as for :func:`settings_of`
    :param folder: ``docs/examples/settings``
    :raises ValueError: if a key has no description or no example
    """
    sections = examples_of(name, folder)
    prefix = {DAEMON: "", COMMON: "plugins.*."}.get(name, f"plugins.{name}.")
    for setting in settings_of(name):
        example = example_of(setting.path, sections)
        if example is None or not setting.description.strip("."):
            what = "example" if example is None else "description"
            raise ValueError(f"the key {prefix}{setting.path} has no {what}")

        default = ", required" if setting.is_required else ""
        if setting.default and not setting.is_required:
            default = f"; default: {setting.default}"

        yield f"### `{prefix}{setting.path}`"
        yield ""
        yield f"*{setting.type}*{default}"
        yield ""
        yield setting.description
        yield ""
        if setting.same_as:
            yield f"It has the same keys as `{prefix}{setting.same_as}`."
            yield ""
        elif not setting.is_section:
            yield f"Example: `{example}`"
            yield ""
