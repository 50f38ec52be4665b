"""What a model says about its data: keys, types and secrets."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    PlainValidator,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    WrapValidator,
)

from .._discovery import model_keys
from ..yaml import KeyPath

# What pydantic makes of a number. A boolean is one for Python, and so for pydantic.
_NUMBERS = (int, float, complex, Decimal, date, time, timedelta)
_NO_BOOLEANS = (str, bytes, PurePath, BaseModel, Mapping, list, tuple, set, frozenset, type(None))
# What they make of a boolean is their own business.
_OWN_VALIDATORS = (BeforeValidator, PlainValidator, WrapValidator)


def keys(annotation: Any) -> dict[str, Any]:
    """Return the keys that data of a type may have, with their types; empty if it has none."""
    found: dict[str, Any] = {}
    for kind in _alternatives(annotation):
        found |= _keys_of_one(kind)

    return found


def annotation_at(annotation: Any, path: KeyPath) -> Any:
    """Return the type of the value that a path leads to, ``None`` if it is not known."""
    for key in path:
        children = _children(annotation, key)
        if not children:
            return None

        annotation = _union(children)

    return annotation


def example_at(model: type[BaseModel], path: KeyPath) -> Any:
    """Return the first example that a model's field gives, None if it gives none."""
    parent = annotation_at(model, path[:-1])
    name = path[-1] if path else None
    for kind in _alternatives(parent):
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
        for key, found in fields.items():
            if name in (key, found.alias) and found.examples:
                return found.examples[0]

    return None


def secret_texts(annotation: Any, data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield the texts in raw data that a type declares secret, with their paths.

    The data need not be valid.
    """
    is_secret = any(map(_is_secret, _alternatives(annotation)))
    if is_secret and isinstance(data, str):
        yield path, data

    for key in _inside(data):
        for child in [annotation] if is_secret else _children(annotation, key):
            yield from secret_texts(child, data[key], (*path, key))


def misplaced_booleans(annotation: Any, data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths of the booleans in raw data where a type wants a number.

    The data need not be valid.
    """
    if isinstance(data, bool):
        reactions = set(_reactions(annotation))
        if True in reactions and None not in reactions:
            yield path

        return

    for key in _inside(data):
        children = _children(annotation, key)
        if children:
            yield from misplaced_booleans(_union(children), data[key], (*path, key))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield every model within a type, and the type if it is one."""
    seen: list[Any] = []
    waiting = [annotation]
    while waiting:
        for kind in _alternatives(waiting.pop()):
            if kind in seen:
                continue

            seen.append(kind)
            waiting += get_args(kind)
            waiting += _keys_of_one(kind).values()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield kind


def _union(kinds: list[Any]) -> Any:
    return Union[tuple(kinds)]  # noqa: UP007 - made at run time


def _inside(data: Any) -> Iterable[Any]:
    if isinstance(data, Mapping):
        return data

    return range(len(data)) if isinstance(data, list) else ()


def _reactions(annotation: Any) -> Iterator[bool | None]:
    """Yield for each member of a union whether it wants a number; None if it may take a boolean."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        has_own = any(isinstance(item, _OWN_VALIDATORS) for item in arguments[1:])
        yield from (None,) if has_own else _reactions(arguments[0])
    elif origin in (Union, types.UnionType):
        for member in arguments:
            yield from _reactions(member)

    elif hasattr(annotation, "__value__"):  # from the statement "type X = …"
        yield from _reactions(annotation.__value__)
    elif origin is Literal:
        yield None if any(isinstance(item, bool) for item in arguments) else False
    else:
        kind = origin or annotation
        if not isinstance(kind, type) or kind is bool:
            yield None
        elif issubclass(kind, RootModel):
            yield from _reactions(_field_type(kind, "root"))
        elif issubclass(kind, _NUMBERS):
            yield True
        else:
            yield False if issubclass(kind, _NO_BOOLEANS) or is_dataclass(kind) else None


def _field_type(model: type[BaseModel], name: str) -> Any:
    """Return the type of a field, with its validators."""
    field = model.model_fields[name]
    decorators = model.__pydantic_decorators__.field_validators.values()
    own = [
        BeforeValidator(lambda value: value)
        for validator in decorators
        if validator.info.mode != "after" and {name, "*"} & {*validator.info.fields}
    ]
    metadata = (*field.metadata, *own)
    return Annotated[(field.annotation, *metadata)] if metadata else field.annotation


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, without their annotations, or the only type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _alternatives(member)

    elif hasattr(annotation, "__value__"):  # from the statement "type X = …"
        yield from _alternatives(annotation.__value__)
    elif isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _alternatives(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def _keys_of_one(kind: Any) -> dict[str, Any]:
    if not isinstance(kind, type):
        return {}

    if issubclass(kind, BaseModel):
        return {key: _field_type(kind, name) for key, name in model_keys(kind).items()}

    # Python 3.11's is_typeddict does not know those of typing_extensions, which pydantic requires.
    is_typed_dict = issubclass(kind, dict) and hasattr(kind, "__total__")
    if is_dataclass(kind) or is_typed_dict:
        try:
            return get_type_hints(kind, include_extras=True)
        except Exception:  # noqa: BLE001 - pydantic has other ways to resolve what is in quotes
            return {}

    return {}


def _children(annotation: Any, key: str | int) -> list[Any]:
    """Return the types that the value at a key or index may have."""
    found: list[Any] = []
    for kind in _alternatives(annotation):
        origin, arguments = get_origin(kind), get_args(kind)
        if isinstance(key, str):
            fields = _keys_of_one(kind)
            if key in fields:
                found.append(fields[key])
            elif isinstance(origin, type) and issubclass(origin, Mapping):
                found += arguments[1:]

        elif isinstance(origin, type) and issubclass(origin, Iterable):
            found += arguments

    return [kind for kind in found if kind is not ...]


def _is_secret(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, (SecretStr, SecretBytes, Secret))
