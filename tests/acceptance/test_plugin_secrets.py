"""A secret of a plugin that someone else wrote is in no log, error, answer or output of a command."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import PeerJoined, Redactor
from lanrage_events.config import ConfigError, ConfigModel, SecretStr, load_bus
from lanrage_events.testing import CheckedBus, make_plugin, running, sample
from lanrage_events_http import HTTPConfig
from lanrage_events_http._app import make_app
from lanrage_events_http._feed import Feed

from ._daemons import run

SECRET = "made-up-secret-0123456789"
TOKEN = "made-up-token-of-the-api-0123456789"
FORMS = (SECRET, SECRET[::-1])

PLUGIN = """
    import logging
    import sys
    from contextlib import asynccontextmanager

    from pydantic import field_validator

    from lanrage_events import ConfigProblem, Health, Metric, Sample, hookimpl
    from lanrage_events.config import ConfigModel, SecretStr

    class Account(ConfigModel):
        key: SecretStr = SecretStr("made-up-secret-0123456789")

    class Config(ConfigModel):
        token: SecretStr
        account: Account = Account()
        reversed: SecretStr = SecretStr("unused")
        size: int = 1

        @field_validator("token")
        @classmethod
        def check(cls, value):
            if "bad" in value.get_secret_value():
                raise ValueError(f"{value.get_secret_value()} is bad")
            return SecretStr(value.get_secret_value()[::-1])

    class Leaky:
        def __init__(self, config):
            self.config = config
            self.token = config.token.get_secret_value()
            self.key = config.account.key.get_secret_value()
            logging.getLogger("someone.else").warning("made with %s", self.token)
            if config.size == 2:
                raise OSError(f"cannot reach {self.token}")

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus):
            logging.getLogger("someone.else").error("%r starts with %s", self.config, self.key)
            yield
            raise OSError(f"cannot leave {self.key}, {self.token}")

        @hookimpl
        def peer_joined(self, event):
            raise RuntimeError(f"cannot post to {self.token}") from OSError(self.key)

        @hookimpl
        def health(self):
            return Health("degraded", f"cannot reach {self.token} with {self.key}")

        @hookimpl
        def metrics(self):
            yield Metric(name="sent", help=self.key, samples=[Sample(1, {"to": self.token})])

        @hookimpl
        def validate(self, bus):
            yield ConfigProblem(f"{self.token} looks wrong", path=("size",), warning=True)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a configuration with the plugin, and returns its file."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "leaky.py").write_text(dedent(PLUGIN), "utf-8")
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    monkeypatch.setenv("LEAKY_TOKEN", SECRET)
    monkeypatch.chdir(tmp_path)

    def write(token: str, **keys: Any) -> Path:
        settings = {"state_folder": "state", "plugins_folder": "mine"}
        plugins = {"leaky": {"token": token, **keys}}
        file = tmp_path / "lanrage.yaml"
        file.write_text(json.dumps({**settings, "plugins": plugins}), "utf-8")
        return file

    return write


def assert_hidden(text: str) -> None:
    assert [form for form in FORMS if form in text] == []


SOURCES = pytest.mark.parametrize("token", [SECRET, "${LEAKY_TOKEN}", "${file:secret}"])


@pytest.mark.slow
@SOURCES
async def test_no_log_and_no_answer_shows_it(
    write: Callable[..., Path], caplog: pytest.LogCaptureFixture, token: str
) -> None:
    caplog.set_level(logging.DEBUG, "lanrage_events")
    bus = load_bus(write(token))
    answers = []
    async with bus:
        app = make_app(
            bus, HTTPConfig(token=SecretStr(TOKEN)), Feed(bus.redactor), stopping=anyio.Event(),
            port=8666,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8666", headers=headers
        ) as http:
            answers.append((await http.get("/api/plugins")).text)
            await bus.publish(sample(PeerJoined))
            await bus.drain()
            paths = ("/api/plugins", "/metrics", "/readyz", "/healthz", "/api/openapi.json")
            answers += [(await http.get(path)).text for path in paths]

    shown = "\n".join(answers)
    for text in ("cannot reach ********** with **********", "cannot post to **********"):
        assert text in shown

    assert_hidden(shown)
    ours = "\n".join(
        f"{record.getMessage()} {record.exc_text}"
        for record in caplog.records
        if record.name.startswith("lanrage_events")
    )
    assert "cannot post to **********" in ours
    assert "cannot leave **********, **********" in ours
    assert_hidden(ours)


@pytest.mark.slow
@SOURCES
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "plugins.leaky.size: ********** looks wrong"),
        ({"size": "x"}, "plugins.leaky.size: expected a whole number"),
        ({"size": 2}, "cannot be made"),
        ({"reversed": "bad"}, "looks wrong"),
        ({"tokn": SECRET}, "plugins.leaky.tokn: unknown key"),
        ({"account": {"key": ["made-up-secret-0123456789"]}}, "expected a text"),
    ],
)
def test_check_does_not_show_it(
    write: Callable[..., Path],
    command: Callable[..., tuple[int, str]],
    token: str,
    keys: dict[str, Any],
    expected: str,
) -> None:
    file = write(token, **keys)
    _, output = command("check", str(file))
    assert_hidden(output)
    assert "lanrage.yaml:1:" in output
    if keys != {"tokn": SECRET}:
        assert expected in output


def test_a_validator_may_repeat_it(
    write: Callable[..., Path], command: Callable[..., tuple[int, str]]
) -> None:
    code, output = command("check", str(write(f"bad-{SECRET}")))
    assert code != 0
    assert "plugins.leaky.token: ********** is bad" in output


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_daemon_shows_it_nowhere(write: Callable[..., Path], anyio_backend: str) -> None:
    line = b'{"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}\n'
    _, out, err = await run("run", str(write("${LEAKY_TOKEN}")), "--stdin", "--trace", stdin=line)
    for expected in ("made with **********", "cannot post to **********", "starts with **********"):
        assert expected in err

    assert_hidden(out + err)
    assert os.environ["LEAKY_TOKEN"] == SECRET


def test_the_schema_says_that_it_is_secret(
    tmp_path: Path, write: Callable[..., Path], command: Callable[..., tuple[int, str]]
) -> None:
    write(SECRET)
    _, output = command("schema", "--plugins-folder", str(tmp_path / "mine"))
    config = json.loads(output)["definitions"]["plugin.leaky"]
    assert config["properties"]["token"]["writeOnly"] is True


class GreeterConfig(ConfigModel):
    token: SecretStr


class Greeter:
    Config = GreeterConfig

    def __init__(self, config: GreeterConfig) -> None:
        self.config = config


def test_the_model_shows_it_to_those_who_ask_for_it_only() -> None:
    plugin = make_plugin(Greeter, {"token": SECRET})
    for shown in (repr(plugin.config), str(plugin.config), plugin.config.model_dump_json()):
        assert_hidden(shown)

    assert plugin.config.token.get_secret_value() == SECRET
    with pytest.raises(ConfigError) as caught:
        make_plugin(Greeter, {"token": [SECRET]})

    assert_hidden(str(caught.value))
    assert Redactor().redact(SECRET) == SECRET


async def test_the_bus_of_a_test_learns_it_as_the_daemon_does(
    bus: CheckedBus, tmp_path: Path
) -> None:
    file = tmp_path / "leaky.py"
    file.write_text(dedent(PLUGIN), "utf-8")
    async with (
        bus.expecting(OSError, match="cannot leave"),
        running(bus, file, {"token": SECRET}),
    ):
        assert_hidden(bus.redactor.redact(f"{SECRET} {SECRET[::-1]}"))
