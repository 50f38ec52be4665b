"""The types of values in configurations: durations, paths, mailboxes and secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    Secret,
    SecretBytes,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError

# The key of the validation context that marks values from a file, with the folder for relative paths.
FOLDER = "lanrage_events.folder"

_UNITS = {
    "d": Decimal(86_400),
    "h": Decimal(3_600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
# Also for the JSON Schema, so only with what JavaScript supports.
DURATION_PATTERN = (
    r"^\s*(?!\s*$)" + "".join(rf"([0-9]+(\.[0-9]+)?{unit})?" for unit in _UNITS) + r"\s*$"
)
_DURATION = re.compile(DURATION_PATTERN)
_DURATION_PART = re.compile(r"([0-9.]+)([a-z]+)")
_MAX_DURATION_CHARACTERS = 50
LONGEST_DURATION = 36_500 * 86_400.0
"""seconds; longer waits overflow the timers of operating systems, and times overflow the calendar"""
_FLOAT_DIGITS = 700  # no float has more decimal digits
_NOT_A_DURATION = "expected a duration, such as '500ms', '2s', '5m' or '1h30m'"
_NO_UNIT = "a number alone is not a duration, add a unit: '500ms' or '2s'"


class ConfigModel(BaseModel):
    """Base class for the ``Config`` of a plugin, and for the models within it.

    It rejects unknown keys, is immutable, keeps input out of error messages, and uses the docstring
    of a field as its description in the JSON Schema.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Check that no default is a text as it is written in YAML, which nothing would convert."""
        super().__pydantic_init_subclass__(**options)
        for name, field in cls.model_fields.items():
            if not isinstance(field.default, str) or field.validate_default:
                continue

            kinds = tuple(_kinds(field.annotation))
            remedies = (
                text
                for kind, text in _DEFAULTS.items()
                if any(issubclass(given, kind) for given in kinds)
            )
            if str not in kinds and (remedy := next(remedies, "")):
                raise TypeError(f"{cls.__name__}.{name} has a text as its default: {remedy}")


_DEFAULTS = {
    bool: "write True or False",
    int: "write a number",
    float: "write a number, of a duration the seconds",
    Path: "write Path(…)",
    pydantic.SecretStr: "write SecretStr(…)",
}
"""the types that a text is never a value of, with what to write instead"""


def _kinds(annotation: Any) -> Iterator[type]:
    """Yield the classes that a value may have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _kinds(member)
    elif isinstance(annotation, type):
        yield annotation


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``500ms``, ``2s``, ``5m`` or ``1h30m``.

    :param text: numbers with their units ``d``, ``h``, ``m``, ``s`` and ``ms``, larger units first
    :raises ValueError: if it is something else, such as a number without a unit
    """
    text = text.strip()
    if len(text) > _MAX_DURATION_CHARACTERS or not _DURATION.fullmatch(text):
        if re.fullmatch(r"[-+]?[0-9.]+", text):
            raise ValueError(_NO_UNIT)

        raise ValueError(_NOT_A_DURATION)

    parts = _DURATION_PART.findall(text)
    return float(sum(Decimal(number) * _UNITS[unit] for number, unit in parts))


def format_duration(seconds: float) -> str:
    """Return the text that :func:`parse_duration` turns into these seconds."""
    if not 0 <= seconds < math.inf:
        return f"{seconds}s"

    pieces: list[str] = []
    with localcontext(prec=_FLOAT_DIGITS):
        rest = Decimal(repr(float(seconds)))
        for unit, size in _UNITS.items():
            number = rest / size if unit == "ms" else rest // size
            rest -= number * size
            if number:
                pieces.append(f"{number.normalize():f}{unit}")

    return "".join(pieces) or "0s"


def _validate_duration(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as error:
            raise PydanticCustomError("duration", "{reason}", {"reason": str(error)}) from None

    if isinstance(value, bool):
        raise PydanticCustomError("duration", _NOT_A_DURATION)

    if _folder(info) is not None and isinstance(value, (int, float)):
        raise PydanticCustomError("duration", _NO_UNIT)

    return value


def _limit_duration(seconds: float) -> float:
    if math.isnan(seconds):
        raise PydanticCustomError("duration", "expected a duration, not 'not a number'")

    return min(seconds, LONGEST_DURATION)


class _DurationSchema:
    def __get_pydantic_json_schema__(
        self, schema: object, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "examples": ["500ms", "2s", "5m", "1h"],
        }


Duration = Annotated[
    float,
    BeforeValidator(_validate_duration),
    AfterValidator(_limit_duration),
    _DurationSchema(),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]
"""Seconds. In YAML it is written with a unit, such as ``500ms``, ``2s``, ``5m`` or ``1h30m``.

More than 100 years count as 100 years.
"""


def _validate_path(value: object, info: ValidationInfo) -> object:
    if value == "":
        raise PydanticCustomError("path", "expected a path, found an empty text")

    folder = _folder(info)
    if folder is None or not isinstance(value, (str, Path)):
        return value

    if "\0" in str(value):
        raise PydanticCustomError("path", "a path cannot hold a null character")

    try:
        return resolve_path(folder, value)
    except RuntimeError:
        raise PydanticCustomError("path", "the home folder '~' is not known") from None


def resolve_path(folder: Path, path: str | Path) -> Path:
    """Return a path relative to a folder, after expanding ``~``.

    :raises RuntimeError: if it starts with ``~`` and there is no home folder
    """
    return folder / Path(path).expanduser()


def _folder(info: ValidationInfo) -> Path | None:
    folder = info.context.get(FOLDER) if isinstance(info.context, Mapping) else None
    return folder if isinstance(folder, Path) else None


class _PathSchema:
    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minLength": 1}


# Without Field(validate_default=True), of which pydantic warns in "ConfigPath | None".
ConfigPath = Annotated[Path, BeforeValidator(_validate_path), _PathSchema()]
"""A path. In YAML a relative one starts at the folder of the file, and ``~`` is the home folder.

So does a relative default if the field has ``Field(validate_default=True)``.
"""


def _validate_template_folder(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not value.startswith("builtin:"):
        return _validate_path(value, info)

    from ..templates import template_folder  # imports Jinja2

    try:
        return template_folder(value)
    except ValueError as error:
        raise PydanticCustomError("templates", "{reason}", {"reason": str(error)}) from None


class _TemplateFolderSchema:
    def __get_pydantic_json_schema__(
        self, schema: object, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        from ..templates import builtin_sets

        names = [f"builtin:{language}" for language in builtin_sets()]
        return {"anyOf": [{"enum": names}, {"type": "string", "format": "path", "minLength": 1}]}


TemplateFolder = Annotated[
    Path, BeforeValidator(_validate_template_folder), _TemplateFolderSchema()
]
"""A path like :data:`ConfigPath`, or the name of a built-in set of templates: ``builtin:de``."""


def one_is_a_list(value: object) -> object:
    """Return a text as a list of one, and anything else as it is."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(one_is_a_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Names. In YAML it is a list of texts, or a text alone, which is a list of one."""


class SecretStr(pydantic.SecretStr):
    """A secret text in the ``Config`` of a plugin, such as a token or a URL with one.

    Before the plugin is created, the redactor of the bus knows it. So logs, errors, answers of the
    API and what ``check`` prints show ``**********`` in its place, however it got there, if it has
    at least 6 characters. ``repr``, ``str`` and the JSON of a model show the same, and its JSON Schema
    says ``writeOnly``. :meth:`get_secret_value` returns the text. In YAML it is best written as
    ``${NAME}`` or ``${file:path}``.

    It is pydantic's, and its other secrets, ``SecretBytes`` and ``Secret[...]``, are treated alike.
    """


WhenFull = Literal["block", "drop_oldest", "drop_newest"]


class MailboxConfig(ConfigModel):
    """The queue of events that wait for the plugin."""

    size: int | None = Field(default=None, ge=1)
    """how many events may wait; the default is the plugin's"""
    when_full: WhenFull | None = None
    """what happens to an event when it is full: the publisher waits (``block``), or the oldest or
    the new event is dropped; the default is the plugin's"""


def secrets_of(value: object) -> Iterator[str]:
    """Yield every secret within a model, a data class, a collection or a secret of pydantic's."""
    if isinstance(value, (pydantic.SecretStr, SecretBytes, Secret)):
        secret = value.get_secret_value()
        yield secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret)
    elif isinstance(value, BaseModel):
        yield from _secrets_of_all(item for _, item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _secrets_of_all(getattr(value, item.name) for item in fields(value))
    elif isinstance(value, Mapping):
        yield from _secrets_of_all(value.keys())
        yield from _secrets_of_all(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from _secrets_of_all(value)


def _secrets_of_all(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        yield from secrets_of(value)
