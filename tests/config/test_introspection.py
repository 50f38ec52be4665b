from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    Secret,
    SecretStr,
    field_validator,
)
from typing_extensions import TypeAliasType, TypedDict

from lanrage_events.config._introspection import (
    annotation_at,
    keys,
    misplaced_booleans,
    models,
    secret_texts,
)


@dataclass
class Route:
    key: SecretStr
    events: list[str]


class Options(TypedDict):
    token: SecretStr
    depth: int


class Inner(BaseModel):
    url: SecretStr
    window: float = 1.0


class ByName(RootModel[dict[str, Inner]]):
    pass


Alias = TypeAliasType("Alias", Union[Inner, None])  # noqa: UP007 - as on older Pythons


class Outer(BaseModel):
    one: Inner
    maybe: Optional[Inner] = None  # noqa: UP045 - the older spelling
    noted: Annotated[SecretStr | None, Field(min_length=3)] = None
    several: list[Inner] = []
    pair: tuple[int, SecretStr] = (0, SecretStr(""))
    many: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}
    root: ByName | None = None
    alias: Alias = None
    routes: list[Route] = []
    options: Options | None = None
    number: Secret[int] | None = None
    itself: Outer | None = None
    anything: Any = None
    plain: int = 0


def test_the_keys_of_a_model_are_known_through_unions_and_notes() -> None:
    same: list[Any] = [Inner, Inner | None, Annotated[Inner, "x"], Alias, Inner | int]
    for annotation in same:
        assert set(keys(annotation)) == {"url", "window"}

    assert set(keys(Route)) == {"key", "events"}
    assert set(keys(Options)) == {"token", "depth"}
    assert set(keys(Inner | Route)) == {"url", "window", "key", "events"}
    without: list[Any] = [int, list[Inner], dict[str, Inner], ByName, None, Any]
    for annotation in without:
        assert keys(annotation) == {}


def test_aliases_are_the_keys_that_a_file_has() -> None:
    class Aliased(BaseModel):
        a: int = Field(1, alias="first")
        b: int = Field(1, validation_alias=AliasChoices("second", "2nd"))
        c: int = Field(1, serialization_alias="third")

    class Both(BaseModel):
        model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
        a: int = Field(1, alias="first")

    assert set(keys(Aliased)) == {"first", "second", "2nd", "c"}

    class Populated(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        a: int = Field(1, alias="first")

    assert set(keys(Both)) == {"a", "first"}
    assert set(keys(Populated)) == {"a", "first"}


def test_a_data_class_whose_types_are_not_known_has_no_keys() -> None:
    @dataclass
    class Odd:
        x: NotDefinedAnywhere  # type: ignore[name-defined]  # noqa: F821

    assert keys(Odd) == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), {"one", "plain"}),
        (("one",), {"url", "window"}),
        (("maybe",), {"url", "window"}),
        (("several", 3), {"url", "window"}),
        (("many", 0), {"url", "window"}),
        (("by_name", "x"), {"url", "window"}),
        (("root", "x"), {"url", "window"}),
        (("alias",), {"url", "window"}),
        (("routes", 0), {"key", "events"}),
        (("options",), {"token", "depth"}),
        (("itself", "itself", "one"), {"url", "window"}),
        (("anything", "x"), set()),
        (("nothing",), set()),
        (("plain", "x"), set()),
        (("several", "x"), set()),
    ],
)
def test_the_type_at_a_path_is_found(path: tuple[str | int, ...], expected: set[str]) -> None:
    assert expected <= set(keys(annotation_at(Outer, path)))
    if not expected:
        assert keys(annotation_at(Outer, path)) == {}


def test_secret_texts_are_found_in_data_that_is_wrong_elsewhere() -> None:
    data = {
        "one": {"url": "s1", "window": "no number"},
        "maybe": {"url": ["s2", {"deep": "s3"}]},
        "noted": "s4",
        "several": [{"url": "s5"}, "no model"],
        "pair": [1, "s6"],
        "by_name": {"x": {"url": "s7"}},
        "root": {"x": {"url": "s8"}},
        "alias": {"url": "s9"},
        "routes": [{"key": "s10", "events": ["public"]}],
        "options": {"token": "s11", "depth": "public"},
        "number": "s12",
        "itself": {"noted": "s13"},
        "anything": "public",
        "unknown": "public",
        "plain": "public",
    }
    found = dict(secret_texts(Outer, data, ("plugins", "x")))
    assert set(found.values()) >= {f"s{number}" for number in range(1, 14)}
    assert "public" not in found.values()
    assert found["plugins", "x", "maybe", "url", 1, "deep"] == "s3"
    assert found["plugins", "x", "by_name", "x", "url"] == "s7"


def test_every_model_inside_of_a_model_is_found_once() -> None:
    found = list(models(Outer))
    assert set(found) == {Outer, Inner}
    assert len(found) == 2
    assert list(models(dict[str, list[Inner] | None])) == [Inner]


class Size(IntEnum):
    SMALL = 1


class Number(RootModel[int]):
    pass


Whole = TypeAliasType("Whole", Annotated[int, Field(ge=1)])


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        float,
        int | None,
        int | str,
        Annotated[int, Field(ge=1)],
        Decimal,
        timedelta,
        Size,
        Number,
        Whole,
        int | Inner | list[bool],
        int | Literal["auto"],
    ],
)
def test_a_boolean_where_a_number_belongs_is_found(annotation: Any) -> None:
    assert list(misplaced_booleans(annotation, True)) == [()]
    assert list(misplaced_booleans(annotation, False)) == [()]
    assert list(misplaced_booleans(dict[str, list[annotation]], {"a": [True]})) == [("a", 0)]
    assert list(misplaced_booleans(annotation, 1)) == []


@pytest.mark.parametrize(
    "annotation",
    [
        bool,
        bool | int,
        Any,
        object,
        str,
        None,
        Inner,
        int | Literal[False],
        Annotated[int, BeforeValidator(lambda value: value or 0)],
        int | Annotated[float, BeforeValidator(lambda value: value or 0)],
    ],
)
def test_a_boolean_that_a_type_may_take_is_its_own_business(annotation: Any) -> None:
    assert list(misplaced_booleans(annotation, True)) == []


def test_the_validators_of_a_field_may_take_booleans() -> None:
    class Limits(BaseModel):
        size: int = 0
        most: int = 0
        least: int = 0

        @field_validator("most", mode="before")
        @classmethod
        def _none(cls, value: object) -> object:
            return value or 0

        @field_validator("least")
        @classmethod
        def _check(cls, value: int) -> int:
            return value

    data = dict.fromkeys(("size", "most", "least", "other"), False)
    assert list(misplaced_booleans(Limits, data)) == [("size",), ("least",)]
