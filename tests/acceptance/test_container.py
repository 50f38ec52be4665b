from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
FOLDER = ROOT / "deploy" / "container"
IGNORED = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
TOKEN = "made-up-token-0123"

Command = Callable[..., tuple[int, str]]


def words_of(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


def test_the_image_is_built_of_what_the_wheel_needs_and_nothing_else() -> None:
    assert IGNORED[0] == "*"
    taken = {line.removeprefix("!") for line in IGNORED if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    files = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    config = "deploy/container/lanrage.yaml"
    assert taken == {package.split("/")[0] for package in packages} | files | {config}
    assert all((ROOT / name).exists() for name in taken)


def test_the_extras_of_the_image_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [extras] = re.findall(r"'\.\[(.*?)\]'", DOCKERFILE)
    assert {*extras.split(",")} <= project["optional-dependencies"].keys()


def test_it_runs_as_a_user_without_rights_and_keeps_its_state_in_a_volume() -> None:
    [user] = words_of("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert words_of("VOLUME") == ["/data"]
    # Whatever comes last is what the container runs as.
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("\nRUN ")


@pytest.mark.slow
@pytest.mark.parametrize("host", [None, "lan.example.org", "192.168.1.5"])
def test_its_configuration_is_right(
    host: str | None, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANRAGE_EVENTS_TOKEN", TOKEN)
    monkeypatch.delenv("LANRAGE_EVENTS_HOST", raising=False)
    if host:
        monkeypatch.setenv("LANRAGE_EVENTS_HOST", host)

    code, output = command("check", str(FOLDER / "lanrage.yaml"))
    assert code == 0, output


def test_without_a_token_it_says_what_is_missing(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANRAGE_EVENTS_TOKEN", raising=False)
    code, output = command("check", str(FOLDER / "lanrage.yaml"))
    assert code == 78
    assert "the environment variable LANRAGE_EVENTS_TOKEN is not set" in output


def test_the_health_check_asks_the_port_of_the_configuration() -> None:
    config: dict[str, Any] = yaml.safe_load((FOLDER / "lanrage.yaml").read_text("utf-8"))
    port = config["plugins"]["http"].get("port", 8666)
    assert f"http://127.0.0.1:{port}/healthz" in DOCKERFILE
    assert words_of("EXPOSE") == [str(port)]
    assert config["state_folder"] == "/data"


def test_compose_builds_and_runs_the_same() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    [service] = compose["services"].values()
    assert (FOLDER / service["build"]).resolve() == ROOT
    assert [volume.partition(":")[2] for volume in service["volumes"]] == ["/data"]
    assert {volume.partition(":")[0] for volume in service["volumes"]} == compose["volumes"].keys()
    config = (FOLDER / "lanrage.yaml").read_text("utf-8")
    assert service["environment"].keys() == {*re.findall(r"\$\{(\w+)", config)}
