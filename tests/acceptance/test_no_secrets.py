"""No token in anything that is shown, logged or kept: every byte of real traffic is searched."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import stat
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import httpx
import pytest
from pydantic import ValidationError

from lanrage_events import Event, EventBus, Notification, PeerJoined, PluginStartError, hookimpl
from lanrage_events.__main__ import main
from lanrage_events.outbox import Outbox
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import Drip, Fail, Fault, Reset, StandInDiscord, StandInRequest

pytestmark = pytest.mark.real_clock

COMMAND = str(Path(sys.executable).with_name("lanrage-events"))
GUARD_SECONDS = 40


def forms(url: str) -> set[bytes]:
    """Return how the token of a URL may look where someone who knows can read it."""
    token = url.rpartition("/")[2].encode()
    assert len(token) > 20
    # In base64 a text looks different by where it begins; its ends depend on the neighbours.
    encoded = {base64.b64encode(b"x" * shift + token)[4:-4] for shift in range(3)}
    encoded |= {base64.urlsafe_b64encode(b"x" * shift + token)[4:-4] for shift in range(3)}
    return {token, token[:24], token[-24:], quote(token).encode(), token.hex().encode(), *encoded}


def assert_hidden(urls: list[str], text: str | bytes, what: str) -> None:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    for url in urls:
        for form in forms(url):
            position = data.find(form)
            assert position < 0, f"{what}: {data[max(0, position - 200) : position]!r}"


def test_search_finds_a_token_in_every_form() -> None:
    url = f"https://discord.com/api/webhooks/1/{'Made-Up_' * 8}"
    token = url.rpartition("/")[2]
    for shift in range(4):
        text = base64.b64encode(f"{'a' * shift}{token}?wait".encode()).decode()
        with pytest.raises(AssertionError):
            assert_hidden([url], text, "base64")

    for shown in (token, f"b'{token}'", token[8:], token.encode().hex()):
        with pytest.raises(AssertionError):
            assert_hidden([url], shown, "plain")


# As a library


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Log all that any logger has to say, tracebacks included, as a host program may."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(name)s %(pathname)s %(message)s %(args)s")
    )
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    # These come with loggers that the suite's filter for warnings would hold back.
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)

    try:
        yield output
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class Faults:
    """Lets each kind of fault happen to one request, and then lets all pass."""

    def __init__(self, url: str) -> None:
        # Discord's own texts may repeat what was sent.
        echo = f"The resource {url} is not what it was"
        faults: list[Fault] = [
            Fail(503),
            Fail(500, 130000, echo),
            Reset(accepted=False),
            Reset(accepted=True),
            Drip(0.2),
            Fail(429, message=echo, retry_after=0.05),
            Fail(429, html=True, retry_after=0.05),
            Fail(307, message=echo),
        ]
        # A success in between ends the outage, so that the next attempt is made soon.
        self.left: list[Fault | None] = [one for each in faults for one in (each, None)]
        self._refusal = Fail(400, 200000, echo)

    def __call__(self, request: StandInRequest) -> Fault | None:
        if self.left:
            return self.left.pop(0)

        return self._refusal if "Unwanted" in str(request.body) else None


class Careless:
    """A plugin that raises with secrets in its exceptions."""

    def __init__(self, url: str) -> None:
        self.url = url

    @hookimpl
    def event(self, event: Event) -> None:
        try:
            raise ValueError(f"cannot post to {self.url}")
        except ValueError as error:
            raise RuntimeError("failed") from error


class CarelessTransport(httpx.AsyncBaseTransport):
    """Fails in a way that no one foresaw, with the URL in its exception."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError(f"cannot post to {request.url}")


@asynccontextmanager
async def running(bus: EventBus) -> AsyncIterator[EventBus]:
    with anyio.fail_after(GUARD_SECONDS):
        async with bus:
            yield bus


async def delivered(*plugins: DiscordPlugin) -> None:
    while any(plugin.pending for plugin in plugins):  # noqa: ASYNC110 - sockets take part
        await anyio.sleep(0.02)


def config_for(discord: StandInDiscord, **webhooks: Any) -> DiscordConfig:
    return DiscordConfig.model_validate(
        {
            "webhooks": {name: {"url": webhook.url} for name, webhook in webhooks.items()},
            "allow_hosts": [discord.host],
            "batch": {"window": "20ms"},
        }
    )


@pytest.mark.slow
@pytest.mark.either_backend
async def test_library_shows_no_token_whatever_goes_wrong(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    discord = StandInDiscord(limit=None)
    state = tmp_path / "state"
    with everything_logged() as output:
        async with discord.serve():
            good, gone = discord.create_webhook(), discord.create_webhook()
            gone.delete()
            urls = [good.url, gone.url]
            script = Faults(good.url)
            discord.faults.script(script, webhook=good)
            plugin = DiscordPlugin(config_for(discord, good=good, gone=gone))
            bus = EventBus(state_folder=state)
            bus.register(plugin, "discord")
            bus.register(Careless(good.url), "careless")
            shown: list[object] = []
            async with running(bus):
                discord.faults.refuse_connections(0.3)
                while script.left:
                    await bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
                    await anyio.sleep(0.05)
                    shown += [bus.health(), bus.statistics(), plugin.lanes, plugin.health()]

                await bus.publish(Notification(title="Unwanted", message="-", color=0))
                assert plugin._outbox is not None
                while not (letters := await plugin._outbox.dead_letters()):  # noqa: ASYNC110
                    await anyio.sleep(0.02)

                # The last one, since messages to the channel wait for a minute from then on.
                script.left = [Fail(429, message=good.url, retry_after=0.05, scope="shared")]
                await bus.publish(PeerJoined(peer_name="Bob", party_name="LAN"))
                while script.left:  # noqa: ASYNC110 - sockets take part
                    await anyio.sleep(0.02)

                shown += [letters, await plugin._outbox.pending(), await plugin._outbox.lanes()]
                shown += [plugin, plugin.config, bus, bus.redactor, vars(plugin._lanes["good"])]
                assert bus.health()["discord"].status == "failed"

    log = output.getvalue()
    for expected in ("httpx", "httpcore.http11", "cannot post to **********", "Traceback"):
        assert expected in log

    assert_hidden(urls, log, "log")
    assert_hidden(urls, repr(shown), "shown")
    assert_hidden(urls, "".join(capfd.readouterr()), "output")
    assert_hidden_in_files(urls, state)


def assert_hidden_in_files(urls: list[str], state: Path) -> None:
    """Search the files of a state folder, and look who may read them."""
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    files = [path for path in state.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".outbox") for path in files)
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert_hidden(urls, path.read_bytes(), str(path))


@pytest.mark.slow
async def test_one_plugin_that_ends_does_not_uncover_the_urls_of_another() -> None:
    discord = StandInDiscord()
    with everything_logged() as output:
        async with discord.serve():
            one, two = discord.create_webhook(), discord.create_webhook()
            first = DiscordPlugin(config_for(discord, one=one))
            second = DiscordPlugin(config_for(discord, two=two))
            bus = EventBus()
            bus.register(first, "first")
            bus.register(second, "second")
            async with running(bus):
                await bus.unregister("first")
                await bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))
                await delivered(second)

    assert "HTTP Request: POST **********" in output.getvalue()
    assert_hidden([one.url, two.url], output.getvalue(), "log")


@pytest.mark.slow
async def test_crashing_lifespan_and_failing_start_show_no_token(tmp_path: Path) -> None:
    discord = StandInDiscord()
    with everything_logged() as output:
        async with discord.serve():
            webhook = discord.create_webhook()
            http = httpx.AsyncClient(transport=CarelessTransport())
            plugin = DiscordPlugin(config_for(discord, main=webhook), http=http)
            bus = EventBus(state_folder=tmp_path, drain_timeout=0.1)
            bus.register(plugin, "discord")
            async with http, running(bus):
                await bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
                while bus.health()["discord"].status == "ok":  # noqa: ASYNC110 - sockets take part
                    await anyio.sleep(0.02)

                health = repr(bus.health())
                rival = EventBus(state_folder=tmp_path)
                rival.register(DiscordPlugin(config_for(discord, main=webhook)), "discord")
                with pytest.raises(PluginStartError) as caught:
                    await rival.__aenter__()

                start_error = "".join(traceback.format_exception(caught.value))

    assert "ZeroDivisionError" in output.getvalue()
    assert "OutboxInUse" in start_error
    for text in (output.getvalue(), health, start_error):
        assert_hidden([webhook.url], text, "crash")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_url": "{url}", "webhooks": {"default": {"url": "{url}"}}},
        {"webhooks": {"a": {"url": "{url}", "thread_id": "1", "thread_name": "x"}}},
        {"webhooks": {"a": {"url": "{url}", "username": "clyde"}}},
        {"webhooks": {"a": {"url": "{url}", "avatar_url": "ftp{url}"}}},
        {"webhooks": {"a": {"urll": "{url}"}}},
        {"webhooks": ["{url}"]},
        {"webhook_url": "{url}", "routes": [{"webhook": "b"}]},
        {"webhook_url": "http://evil.example{url}"},
        {"webhook_url": ["{url}"]},
        {"webhook_url": "{url}/slack"},
        {"invite_url": "{url}"},
        {"batch": "{url}"},
    ],
)
def test_errors_of_the_configuration_repeat_no_token(change: dict[str, Any]) -> None:
    url = f"https://discord.com/api/webhooks/1/{'Made-Up_' * 8}"
    config = json.loads(json.dumps(change).replace("{url}", url))
    with pytest.raises(ValidationError) as caught:
        DiscordConfig.model_validate(config)

    error = caught.value
    shown = f"{error}\n{error!r}\n{''.join(traceback.format_exception(error))}"
    assert_hidden([url], shown, "error")


# As a daemon

CARELESS_PLUGIN = """
    from pathlib import Path

    from lanrage_events import hookimpl

    @hookimpl
    def event(event):
        raise RuntimeError(f"cannot post to {Path('secret.txt').read_text()}")
"""


@pytest.mark.slow
@pytest.mark.either_backend
async def test_daemon_shows_no_token_whatever_goes_wrong(
    tmp_path: Path,
    anyio_backend_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # It starts a process, so that one format for each backend has to do.
    log_format = {"asyncio": "console", "trio": "json"}[anyio_backend_name]
    discord = StandInDiscord(limit=None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "careless.py").write_text(dedent(CARELESS_PLUGIN), encoding="utf-8")
    async with discord.serve():
        webhook = discord.create_webhook()
        url = webhook.url
        script = Faults(url)
        discord.faults.script(script)
        (tmp_path / "secret.txt").write_text(url, encoding="utf-8")
        # One whose URL is in the file itself, and one whose URL is in another.
        config = {
            "state_folder": "./state",
            "plugins_folder": "./mine",
            "backend": anyio_backend_name,
            "log": {"level": "debug", "format": log_format},
            "plugins": {
                "discord": {
                    "webhooks": {"a": {"url": url}, "b": {"url": "${file:secret.txt}"}},
                    "allow_hosts": [discord.host],
                    "batch": {"window": "20ms", "style": "embeds"},
                },
                "log": {"path": "events.jsonl"},
                "careless": {},
            },
        }
        (tmp_path / "lanrage.yaml").write_text(json.dumps(config), encoding="utf-8")
        lines = b"".join(
            b'{"type": "peer_joined", "peer_name": "P%d", "party_name": "LAN"}\n' % number
            for number in range(60)
        )
        lines += lines.splitlines(keepends=True)[0].replace(b"P0", b"Unwanted")
        with anyio.fail_after(GUARD_SECONDS):
            result = await anyio.run_process(
                [COMMAND, "run", "--stdin"],
                input=lines,
                check=False,
                cwd=tmp_path,
                env={**os.environ, "PYTHONDEVMODE": "", "NO_PROXY": "*"},
            )

        output = {"run": (result.stdout + result.stderr).decode()}
        assert script.left == []
        monkeypatch.chdir(tmp_path)

        async def command(*arguments: str) -> int:
            code = await anyio.to_thread.run_sync(main, arguments)
            output[" ".join(arguments)] = "".join(capfd.readouterr())
            return code

        assert await command("outbox", "list", "--json") == 0
        # One in each lane, unless the last of the faults met it in one of them.
        dead = json.loads(output["outbox list --json"])["entries"][0]["id"]
        for arguments in (
            ("outbox", "list"),
            ("outbox", "show", str(dead)),
            ("plugins",),
            ("check", "lanrage.yaml"),
        ):
            assert await command(*arguments) == 0

        config["plugins"]["discord"]["webhooks"]["a"]["thread"] = url  # type: ignore[index]
        (tmp_path / "lanrage.yaml").write_text(json.dumps(config), encoding="utf-8")
        again = await anyio.run_process([COMMAND, "run", "lanrage.yaml"], check=False)
        assert again.returncode == 78
        output["run again"] = (again.stdout + again.stderr).decode()

    assert "Unwanted" in output["outbox list --json"]
    traceback_begins = {"console": "Traceback", "json": '"exception": '}[log_format]
    for expected in ("httpcore", traceback_begins, "RuntimeError", "cannot post to **********"):
        assert expected in output["run"]

    for what, text in output.items():
        assert_hidden([url], text, what)

    assert_hidden([url], (tmp_path / "events.jsonl").read_bytes(), "events.jsonl")
    assert_hidden_in_files([url], tmp_path / "state")


async def test_entry_of_the_outbox_holds_no_url(tmp_path: Path) -> None:
    """Where it is to be sent is known by the lane's name only."""
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    config = DiscordConfig.model_validate({"webhook_url": webhook.url})
    bus = EventBus(state_folder=tmp_path, drain_timeout=0.1)
    bus.register(DiscordPlugin(config), "discord")
    with suppress(ExceptionGroup):
        async with bus:
            discord.faults.refuse_connections(100)
            await bus.publish_and_wait(
                PeerJoined(peer_name="Ann", party_name="LAN"), plugins="durable"
            )

    async with Outbox.administer(tmp_path / "discord.outbox") as outbox:
        assert "discord.com/api" not in repr(await outbox.pending())
