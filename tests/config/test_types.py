from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError

from lanrage_events.config import ConfigModel, ConfigPath, Duration
from lanrage_events.config._types import (
    DURATION_PATTERN,
    FOLDER,
    MailboxConfig,
    format_duration,
    parse_duration,
    secrets_of,
)

FOLDER_OF_FILE = Path("/etc/lanrage")
IN_FILE = {FOLDER: FOLDER_OF_FILE}


class Sample(ConfigModel):
    window: Duration = Field(default=0.5, gt=0, le=60)
    """how long it waits"""
    pause: Duration | None = None
    path: ConfigPath | None = None
    folder: ConfigPath = Field(default=Path("events"), validate_default=True)


def message(model: type[BaseModel], data: dict[str, object], *, in_file: bool) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data, context=IN_FILE if in_file else None)

    (details,) = caught.value.errors()
    return details["msg"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1d", 86_400.0),
        ("1m30s", 90.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("1.5s", 1.5),
        ("0.1s", 0.1),
        ("0s", 0.0),
        (" 2s ", 2.0),
    ],
)
def test_a_duration_is_written_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["5", "0.5", " 10 ", "-3", "+1"])
def test_a_number_without_a_unit_is_rejected_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="add a unit: '500ms' or '2s'"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "s", "fast", "5 s", "5sec", "5M", "-5s", "1s1m", "1m1m", "1.s", ".5s", "1e3s", "٣s"]
    + ["9" * 60 + "s", "1m30", "5s\n5s"],
)
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration, such as '500ms'"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (0.0001, "0.1ms"),
        (1, "1s"),
        (1.25, "1s250ms"),
        (60, "1m"),
        (90, "1m30s"),
        (86_400, "1d"),
        (-1.5, "-1.5s"),
        (math.inf, "infs"),
        (1e300, f"{int(1e300) // 86_400}d"),
    ],
)
def test_seconds_are_shown_with_units(seconds: float, text: str) -> None:
    shown = format_duration(seconds)
    if seconds == 1e300:
        assert shown.startswith("1157407407407")
    else:
        assert shown == text


@given(st.floats(0, 1e12))
def test_a_duration_that_is_shown_is_read_as_the_same(seconds: float) -> None:
    text = format_duration(seconds)
    if len(text) <= 50:
        assert parse_duration(text) == seconds


@pytest.mark.slow
@given(st.from_regex(DURATION_PATTERN, fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_whatever_fits_the_pattern_is_a_duration(text: str) -> None:
    if len(text) <= 50:
        assert parse_duration(text) >= 0


@given(st.text(st.sampled_from("0123456789.dhms \n")))
def test_whatever_is_a_duration_fits_the_pattern(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        return

    assert re.search(DURATION_PATTERN, text.strip())


def test_in_a_file_durations_need_a_unit() -> None:
    assert Sample.model_validate({"window": "250ms"}, context=IN_FILE).window == 0.25
    for number in (5, 5.0, "5"):
        text = message(Sample, {"window": number}, in_file=True)
        assert text == "a number alone is not a duration, add a unit: '500ms' or '2s'"


def test_in_python_durations_are_seconds() -> None:
    assert Sample(window=2).window == 2.0
    assert Sample(window=0.25).window == 0.25
    assert Sample.model_validate({"window": "250ms"}).window == 0.25
    assert TypeAdapter(Duration).validate_python(-1) == -1


def test_what_is_not_a_duration_is_reported() -> None:
    assert message(Sample, {"window": "fast {x}"}, in_file=True).startswith("expected a duration")
    assert message(Sample, {"window": []}, in_file=True) == "Input should be a valid number"


def test_bounds_hold_for_durations() -> None:
    assert message(Sample, {"window": "2m"}, in_file=True) == (
        "Input should be less than or equal to 60"
    )
    assert message(Sample, {"window": 0}, in_file=False) == "Input should be greater than 0"
    assert Sample.model_validate({"pause": None}, context=IN_FILE).pause is None


def test_as_json_a_duration_can_be_read_back_from_a_file() -> None:
    sample = Sample(window=1.5, pause=90)
    data = sample.model_dump(mode="json")
    assert (data["window"], data["pause"]) == ("1s500ms", "1m30s")
    assert Sample.model_validate(data, context=IN_FILE).window == sample.window
    assert sample.model_dump()["window"] == 1.5


def test_the_schema_of_a_duration_is_a_text_with_a_pattern() -> None:
    schema = Sample.model_json_schema()["properties"]["window"]
    assert schema["type"] == "string"
    assert schema["description"] == "how long it waits"
    assert re.search(schema["pattern"], "500ms")
    assert not re.search(schema["pattern"], "5")
    assert not re.search(schema["pattern"], "")
    assert "2s" in schema["examples"]


def test_in_a_file_paths_start_from_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("USERPROFILE", "/home/ann")
    for text, path in {
        "x/y": "/etc/lanrage/x/y",
        "../x": "/etc/lanrage/../x",
        "/var/x": "/var/x",
        "~/x": "/home/ann/x",
    }.items():
        assert Sample.model_validate({"path": text}, context=IN_FILE).path == Path(path)


def test_in_python_a_path_stays_as_it_is() -> None:
    assert Sample(path=Path("x/y")).path == Path("x/y")
    assert Sample.model_validate({"path": "~/x"}).path == Path("~/x")
    assert Sample().folder == Path("events")


def test_a_default_path_starts_from_the_folder_if_the_field_says_so() -> None:
    assert Sample.model_validate({}, context=IN_FILE).folder == FOLDER_OF_FILE / "events"


def test_what_is_not_a_path_is_reported() -> None:
    assert message(Sample, {"path": ""}, in_file=True) == "expected a path, found an empty text"
    assert message(Sample, {"path": ""}, in_file=False) == "expected a path, found an empty text"
    assert message(Sample, {"path": "a\0b"}, in_file=True) == (
        "a path cannot hold a null character"
    )
    assert message(Sample, {"path": "~nobody-has-this-name/x"}, in_file=True) == (
        "the home folder '~' is not known"
    )
    assert message(Sample, {"path": 5}, in_file=True).startswith("Input is not a valid path")


def test_a_config_model_rejects_unknown_keys_and_hides_input() -> None:
    class Config(ConfigModel):
        token: SecretStr

    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"token": ["hunter2"], "tokn": "hunter2"})

    assert "hunter2" not in str(caught.value)
    assert {details["type"] for details in caught.value.errors()} == {
        "extra_forbidden",
        "string_type",
    }
    config = Config(token=SecretStr("hunter2"))
    with pytest.raises(ValidationError):
        config.token = SecretStr("other")


@pytest.mark.parametrize(
    ("kind", "default", "remedy"),
    [
        (Duration, "5s", "write a number, of a duration the seconds"),
        (Duration | None, "5s", "write a number"),
        (int, "5", "write a number"),
        (bool, "yes", "write True or False"),
        (Path, "scores.json", "write Path"),
        (SecretStr | None, "hunter2", "write SecretStr"),
    ],
)
def test_a_default_that_is_written_as_in_yaml_is_an_error(
    kind: Any, default: str, remedy: str
) -> None:
    text = rf"^Config\.value has a text as its default: {remedy}"
    with pytest.raises(TypeError, match=text) as caught:
        type("Config", (ConfigModel,), {"__annotations__": {"value": kind}, "value": default})

    assert "hunter2" not in str(caught.value)


@pytest.mark.slow
def test_other_defaults_stay_as_they_are() -> None:
    class Config(ConfigModel):
        pause: Duration = 5
        name: str = "x"
        number: int | str = "x"
        path: Path | None = None
        pauses: tuple[Duration, ...] = ()
        checked: Annotated[Duration, Field(validate_default=True)] = "5s"  # type: ignore[assignment]

    assert (Config().pause, Config().number, Config().checked) == (5, "x", 5.0)


def test_the_mailbox_has_a_size_of_at_least_one() -> None:
    assert MailboxConfig.model_validate({"size": 1, "when_full": "block"}).size == 1
    with pytest.raises(ValidationError):
        MailboxConfig.model_validate({"size": 0})


def test_secrets_are_found_however_deep_they_are() -> None:
    @dataclass
    class Route:
        key: SecretStr
        name: str

    class Inner(BaseModel):
        url: SecretStr

    class Config(BaseModel):
        one: SecretStr
        raw: SecretBytes
        number: Secret[int]
        maybe: SecretStr | None
        inner: Inner
        by_name: dict[str, Inner]
        several: tuple[SecretStr, ...]
        routes: list[Route]
        name: str = "no secret"

    config = Config(
        one=SecretStr("one"),
        raw=SecretBytes(b"raw"),
        number=Secret(12),
        maybe=None,
        inner=Inner(url=SecretStr("inner")),
        by_name={"x": Inner(url=SecretStr("by-name"))},
        several=(SecretStr("several"),),
        routes=[Route(SecretStr("route"), "n")],
    )
    assert set(secrets_of(config)) == {
        "one",
        "raw",
        "12",
        "inner",
        "by-name",
        "several",
        "route",
    }
    assert list(secrets_of("text")) == []
    assert list(secrets_of({SecretStr("key"): Path()})) == ["key"]


def test_the_json_schema_needs_nothing_that_json_cannot_say() -> None:
    json.dumps(Sample.model_json_schema())
