from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, RootModel, SecretStr, field_validator

from lanrage_events.config import ConfigError, ConfigModel, ConfigPath, Duration, validate
from lanrage_events.yaml import Document, parse, read

SECRET = "made-up-secret-0123456789"


class Round(ConfigModel):
    length: Duration = Field(gt=0)
    map_file: ConfigPath | None = None


class Cup(ConfigModel):
    name: str = "cup"
    rounds: tuple[Round, ...] = ()
    password: SecretStr | None = None

    @field_validator("password")
    @classmethod
    def _check(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) > 10:
            raise ValueError(f"too long: {value.get_secret_value()}")

        return value


class Names(RootModel[list[str]]):
    pass


def problems(text: str, model: type[ConfigModel | Names] = Cup) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate(parse(text, "cup.yaml"), model)

    return list(caught.value.problems)


def test_durations_and_paths_are_those_of_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "cup.yaml"
    file.write_text("rounds: [{length: 20m, map_file: de_dust.bsp}]", "utf-8")

    [first] = validate(read(file), Cup).rounds

    assert first == Round(length=1200.0, map_file=tmp_path / "de_dust.bsp")
    assert problems("rounds: [{length: 20}]") == [
        "cup.yaml:1:19: rounds.0.length: a number alone is not a duration, add a unit: '500ms' or '2s'"
    ]


def test_what_yaml_finds_and_what_the_model_finds_come_at_once_in_order() -> None:
    assert problems("nmae: a\nrounds:\n- {length: 0s}\nname: b\nname: [c]") == [
        "cup.yaml:1:1: nmae: unknown key, did you mean 'name'?",
        "cup.yaml:3:12: rounds.0.length: must be more than 0s",
        "cup.yaml:5:1: duplicate key 'name', first at 4:1",
    ]


def test_of_a_value_that_was_not_understood_one_problem_says_enough() -> None:
    assert problems("name: *x\nrounds: {{ rounds }}") == [
        "cup.yaml:1:7: '*x' has no anchor '&x' above it (put it in quotes if it is text)",
        "cup.yaml:2:10: a key must be text, not a list or a mapping: if it is text, put it in quotes",
    ]


def test_what_became_a_comment_is_explained_but_not_shown() -> None:
    assert problems(f"name: #{SECRET}") == [
        (
            "cup.yaml:1:6: name: expected a text, found nothing (what follows '#' is a comment: "
            "if it is text, put it in quotes)"
        )
    ]


def test_an_empty_file_has_no_keys() -> None:
    assert validate(parse("# nothing yet"), Cup) == Cup()
    assert problems("", Round) == ["cup.yaml:1:1: length: required, but missing"]
    assert problems("", Names) == ["cup.yaml:1:1: expected a list, found nothing"]


def test_a_model_may_be_a_list() -> None:
    assert validate(parse("[Ann, 'no']"), Names).root == ["Ann", "no"]


def test_a_file_that_cannot_be_read_is_a_problem_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: the file does not exist$"):
        validate(read(tmp_path / "gone.yaml"), Cup)

    with pytest.raises(ConfigError, match=": cannot be read: Is a directory$"):
        validate(read(tmp_path), Cup)


def test_a_secret_reaches_no_message() -> None:
    [problem] = problems(f"password: {SECRET}")

    assert problem.startswith("cup.yaml:1:11: password: too long: ")
    assert SECRET not in problem


def test_data_from_elsewhere_has_no_places() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Document({"nmae": "x"}), Cup)

    assert caught.value.problems == ("nmae: unknown key, did you mean 'name'?",)


class Group(ConfigModel):
    rounds: tuple[Round, ...] = ()
    cups: dict[str, Cup] = Field(default_factory=dict)
    final: Cup = Cup()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("password: x", "1:1: password: unknown key: it belongs below 'final'"),
        ("length: 1s", "1:1: length: unknown key: it belongs into each item of 'rounds'"),
        ("final: {cups: {}}", "1:9: final.cups: unknown key: it belongs beside 'final'"),
        (
            "rounds: [{final: {}, length: 1s}]",
            "1:11: rounds.0.final: unknown key: it belongs beside 'rounds'",
        ),
        ("cups: {a: {final: {}}}", "1:12: cups.a.final: unknown key: it belongs beside 'cups'"),
        ("final: {rounds: [{name: a, length: 1s}]}", "it belongs beside 'rounds'"),
    ],
)
def test_a_key_of_another_level_is_said_to_belong_there(text: str, problem: str) -> None:
    [found] = problems(text, Group)
    assert problem in found
