"""What older versions left on the disk is read by this one.

``write_fixtures.py`` says where the fixtures come from. ``expected.json`` beside each of them says
what was in there, as that version saw it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from lanrage_events.outbox import UNTIL_RESUMED, Outbox
from lanrage_events_discord.testing import Record, StandInDiscord, StandInWebhook

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
]

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
ENDS = ("clean-stop", "kill-9")
FOUND = sorted(
    str(path.parent.relative_to(FIXTURES)) for path in FIXTURES.glob("*/*/expected.json")
)
PLUGINS = ("discord", "pager")
COMMAND = (sys.executable, "-m", "lanrage_events")
GUARD_SECONDS = 50

Command = Callable[..., tuple[int, str]]


LOGIN = "[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)"


@dataclass(frozen=True)
class Saved:
    """A copy of what an older version left."""

    folder: Path
    expected: dict[str, Any]

    def outbox(self, plugin: str) -> Path:
        return self.folder / "state" / f"{plugin}.outbox"

    def rewrite(self, *names: str, replace: Mapping[str, str]) -> None:
        """Replace in files what holds only where and when they were written."""
        for name in names:
            file = self.folder / name
            text = file.read_text("utf-8")
            for old, new in replace.items():
                text = text.replace(old, new)

            file.write_text(text, "utf-8")


@pytest.fixture(params=FOUND)
def found(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def anyio_backend(found: str) -> str:
    """Read what one of the ends left on asyncio and the other on Trio: both read the same files."""
    return "asyncio" if found.endswith(ENDS[0]) else "trio"


@pytest.fixture
def saved(found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saved:
    """Return a copy of a fixture, in which the paths and times of files are as they should be."""
    folder = tmp_path / "lan"
    shutil.copytree(FIXTURES / found, folder)
    monkeypatch.chdir(folder)
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    copy = Saved(folder, expected)
    # Positions are kept under the absolute paths of the logs.
    copy.rewrite("state/logfile.positions.json", replace={expected["folder"]: str(folder)})
    # A checkout makes all of them new, and the newest of several is the one to follow.
    for name, modified in expected["modified_ns"].items():
        os.utime(folder / name, ns=(modified, modified))

    (folder / "plugins").mkdir()
    shutil.copy(HERE / "pager.py", folder / "plugins")
    return copy


@dataclass(frozen=True)
class Server:
    """A Discord that has the webhooks and the thread that an older version used."""

    discord: StandInDiscord
    webhooks: dict[str, StandInWebhook]
    thread_id: str

    def text(self, lane: str) -> str:
        """Return the messages that a webhook accepted."""
        messages = self.discord.journal.of(self.webhooks[lane]).messages()
        return json.dumps(messages, ensure_ascii=False)

    async def wait_for(self, lane: str, word: str) -> None:
        await self.discord.journal.wait_for(lambda _: word in self.text(lane))


@asynccontextmanager
async def serving(saved: Saved) -> AsyncIterator[Server]:
    """Serve a stand-in for Discord, and let the copy lead to it."""
    discord = StandInDiscord(limit=None)
    async with discord.serve():
        expected = saved.expected
        webhooks = {
            lane: discord.create_webhook(forum=lane == "forum") for lane in expected["webhooks"]
        }
        thread_id = webhooks["forum"].create_thread(expected["thread"]["name"])
        replace = {expected["host"]: discord.host, expected["thread"]["id"]: thread_id}
        for lane, webhook in webhooks.items():
            replace[expected["webhooks"][lane]["token"]] = webhook.token
            # Their ids may be each other's.
            replace[expected["webhooks"][lane]["id"]] = f"<{lane}>"

        replace |= {f"<{lane}>": webhook.id for lane, webhook in webhooks.items()}
        saved.rewrite(
            "lanrage.yaml",
            "state/discord.settings.json",
            "state/discord.threads.json",
            replace=replace,
        )
        yield Server(discord, webhooks, thread_id)


class Daemon:
    """The command, running in a process of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stderr is not None
        self.process = process
        self.log = ""
        self._stderr = BufferedByteReceiveStream(process.stderr)

    async def wait_for(self, pattern: str) -> str:
        """Wait until it has logged something, and return the match."""
        while (found := re.search(pattern, self.log)) is None:
            try:
                self.log += (await self._stderr.receive_until(b"\n", 100_000)).decode() + "\n"
            except anyio.IncompleteRead:
                pytest.fail(f"it ended without logging {pattern!r}:\n{self.log}")

        return found[1] if found.re.groups else found[0]

    async def stop(self) -> None:
        """Stop it, and wait until it has ended."""
        self.process.send_signal(signal.SIGTERM)
        try:
            while True:
                self.log += (await self._stderr.receive()).decode()
        except anyio.EndOfStream:
            assert await self.process.wait() == 0, self.log


@asynccontextmanager
async def running(saved: Saved, backend: str, *, last: str = "pager") -> AsyncIterator[Daemon]:
    """Run the daemon with the configuration of the copy.

    :param last: the last plugin there
    """
    with anyio.fail_after(GUARD_SECONDS):
        process = await anyio.open_process(
            [*COMMAND, "run", "--backend", backend],
            cwd=saved.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        async with process:
            try:
                daemon = Daemon(process)
                await daemon.wait_for(
                    f"ready, with the plugins http, discord, log, logfile, {last}"
                )
                yield daemon
            finally:
                if process.returncode is None:
                    process.kill()


async def deliver(saved: Saved, backend: str) -> str:
    """Run the daemon until all that waits is delivered, and return what it logged.

    It runs without the pager, which delivers nothing.
    """
    saved.rewrite("lanrage.yaml", replace={"\n  pager:": ""})
    with anyio.fail_after(GUARD_SECONDS):
        result = await anyio.run_process(
            [*COMMAND, "run", "--stdin", "--backend", backend],
            cwd=saved.folder,
            input=b"",
            check=False,
        )

    log = result.stderr.decode()
    assert result.returncode == 0, log
    return log


@pytest.fixture
def backend(anyio_backend_name: str) -> str:
    """Run the daemon on the backend that the test runs on."""
    return anyio_backend_name


def test_there_are_fixtures_of_both_ends_of_every_version() -> None:
    versions = sorted(path.name for path in FIXTURES.iterdir())
    assert "0.1.0" in versions
    assert sorted(f"{version}/{end}" for version in versions for end in ENDS) == FOUND


# The outbox


RENAMED = {"died": "failed_time"}
"""what a field was called in an older version, and is called now"""


def fields_of(record: object, expected: Mapping[str, object]) -> dict[str, object]:
    """Return those fields of a record that there were, as JSON has them."""
    values = {name: getattr(record, RENAMED.get(name, name)) for name in expected}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def parse(time: str | None) -> datetime | None:
    return None if time is None else datetime.fromisoformat(time)


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_outbox_holds_what_it_held(saved: Saved, plugin: str) -> None:
    expected = saved.expected["outboxes"][plugin]
    async with Outbox.administer(saved.outbox(plugin)) as outbox:
        found: dict[str, list[Any]] = {
            "lanes": [*await outbox.lanes()],
            "entries": [*await outbox.pending()],
            "dead_letters": [*await outbox.dead_letters()],
        }
        for kind, records in found.items():
            assert len(records) == len(expected[kind]) > 0
            for record, fields in zip(records, expected[kind], strict=True):
                assert fields_of(record, fields) == fields

        for record in (*found["entries"], *found["dead_letters"]):
            assert await outbox.show(record.id) == record


@pytest.mark.parametrize("plugin", PLUGINS)
async def test_new_owner_reads_what_may_be_delivered_now(saved: Saved, plugin: str) -> None:
    expected = saved.expected["outboxes"][plugin]
    now = datetime.now(UTC)
    async with Outbox(saved.outbox(plugin)) as outbox:
        statistics = outbox.statistics()
        assert (statistics.pending, statistics.dead) == (
            len(expected["entries"]),
            len(expected["dead_letters"]),
        )
        for lane in expected["lanes"]:
            is_held_up = (parse(lane["postponed_until"]) or now) > now
            ready = [
                entry["id"]
                for entry in expected["entries"]
                if entry["lane"] == lane["name"]
                and not is_held_up
                and (parse(entry["postponed_until"]) or now) <= now
                and (parse(entry["expires"]) or UNTIL_RESUMED) > now
            ]
            assert [entry.id for entry in await outbox.read(lane["name"])] == ready

        new = await outbox.put("new", "body")
        assert new > max(e["id"] for e in expected["entries"] + expected["dead_letters"])


async def test_new_owner_goes_on_with_what_was_postponed_expired_or_dead(saved: Saved) -> None:
    outbox = Outbox(saved.outbox("pager"))

    async def bodies(lane: str) -> list[str]:
        return [entry.body for entry in await outbox.read(lane)]

    async with outbox:
        assert await bodies("steady") == ["waits ✓", "expires in 2999"]
        [expiry] = await outbox.expire("steady")
        assert (expiry.label, expiry.count) == ("page", 1)
        assert await outbox.retry_lane("steady") == 3
        assert await bodies("steady") == [
            "waits ✓",
            "waits until 2999",
            "expires in 2999",
            "is dead",
            "is dead, without a label",
        ]
        assert await bodies("due") == ["was postponed", "comes behind it"]
        for lane, body in (
            ("paused", "waits with its lane until 2999"),
            ("stopped", "waits until its lane is resumed"),
        ):
            assert await bodies(lane) == []
            assert await outbox.retry_lane(lane) == 0
            assert await bodies(lane) == [body]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_command_lists_what_was_left(saved: Saved, plugin: str, command: Command) -> None:
    expected = saved.expected["outboxes"][plugin]
    code, output = command("outbox", "list", "--plugin", plugin, "--json", "--limit=1000")
    assert code == 0, output
    listed = json.loads(output)
    assert [lane["name"] for lane in listed["lanes"]] == [x["name"] for x in expected["lanes"]]
    for status, kind in (("pending", "entries"), ("dead", "dead_letters")):
        assert [
            (entry["id"], entry["lane"], entry["type"], entry["put"])
            for entry in listed["entries"]
            if entry["status"] == status
        ] == [(x["id"], x["lane"], x["label"], x["put_time"]) for x in expected[kind]]

    dead = expected["dead_letters"][0]
    code, output = command("outbox", "show", str(dead["id"]), "--plugin", plugin)
    assert code == 0, output
    shown = json.loads(output)
    assert (shown["reason"], shown["detail"]) == (dead["reason"], dead["detail"])


def test_state_folder_that_no_configuration_names_is_found_again(
    saved: Saved, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.rewrite("lanrage.yaml", replace={"state_folder: ./state\n": ""})
    file = saved.folder.resolve() / "lanrage.yaml"
    name = f"lanrage-{hashlib.sha256(bytes(file)).hexdigest()[:8]}"
    home = saved.folder / "home"
    (home / "lanrage-events").mkdir(parents=True)
    saved.outbox("pager").parent.rename(home / "lanrage-events" / name)
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    code, listing = command("outbox", "list", "--plugin", "discord")
    assert code == 0
    assert "automatic moderation blocked the message" in listing


# Discord


def assert_delivered(server: Server, lane: str, words: list[str]) -> None:
    """Check that each of some events is posted exactly once, and in their order."""
    text = server.text(lane)
    assert [text.count(word) for word in words] == [1] * len(words), text
    assert sorted(words, key=text.index) == words


def used_thread(record: Record) -> str | None:
    return record.query.get("thread_id")


async def test_what_waited_is_delivered_once_and_in_order(saved: Saved, backend: str) -> None:
    expected = saved.expected
    async with serving(saved) as server:
        log = await deliver(saved, backend)
        for lane, groups in expected["waiting"].items():
            for words in groups:
                assert_delivered(server, lane, words)

            text = server.text(lane)
            for word in expected["expired"] + expected["delivered"] + expected["rejected"][lane]:
                assert word not in text
            assert f"webhook '{lane}': 1 game_ended expired" in log

        records = server.discord.journal.of(server.webhooks["forum"])
        assert {used_thread(record) for record in records} == {server.thread_id}
        assert [*server.webhooks["forum"].threads] == [server.thread_id]
        assert {message["author"]["username"] for message in records.messages()} == {"Herald"}
        assert server.discord.journal.rejected == ()

        count = len(server.discord.journal)
        await deliver(saved, backend)
        assert len(server.discord.journal) == count


async def test_dead_letter_is_retried_at_its_old_place(
    saved: Saved, backend: str, command: Command
) -> None:
    dead = saved.expected["outboxes"]["discord"]["dead_letters"]
    ids = [str(letter["id"]) for letter in dead if letter["lane"] == "cards"]
    async with serving(saved) as server:
        retry = partial(command, "outbox", "retry", *ids, "--plugin", "discord")
        code, output = await anyio.to_thread.run_sync(retry)
        assert code == 0, output
        await deliver(saved, backend)
        for words in saved.expected["waiting"]["cards"]:
            assert_delivered(server, "cards", [*saved.expected["rejected"]["cards"], *words])

        for lane in ("default", "forum"):
            assert saved.expected["rejected"][lane][0] not in server.text(lane)


def session(token: str) -> str:
    """Sign a session as an older version gave it to a browser; nothing of it is on our disk."""
    payload = (int(time.time()) + 60).to_bytes(8, "big") + b"twelve bytes"
    key = hmac.digest(token.encode(), b"lanrage_events_http session 1", hashlib.sha256)
    signed = payload + hmac.digest(key, payload, hashlib.sha256)
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


async def test_settings_and_sessions_of_the_page_are_used(saved: Saved, backend: str) -> None:
    token = saved.expected["http_token"]
    headers = {"Authorization": f"Bearer {token}"}
    cookie = {"Cookie": f"lanrage_session={session(token)}"}
    party = {"type": "party_created", "party_id": "8", "party_name": "Nuthatch", "host": "Ann"}
    async with serving(saved) as server, running(saved, backend) as daemon:
        url = await daemon.wait_for(r"the page is at\s+(\S+)")
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/api/plugins")).status_code == 401
            answer = await http.get("/api/plugins", headers=cookie)
            assert answer.status_code == 200, answer.text

        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            status = (await http.get("/api/discord/status")).raise_for_status().json()
            (await http.post("/api/events", json=party)).raise_for_status()

        await server.wait_for("default", "Nuthatch")
        assert saved.expected["invite_url"] in server.text("default").partition("Nuthatch")[2]
        await daemon.stop()

    assert (status["webhook"]["source"], status["invite"]["source"]) == ("saved", "saved")
    assert status["invite"]["url"] == saved.expected["invite_url"]
    assert server.webhooks["default"].token not in daemon.log


# Logs


async def test_logs_are_followed_from_where_they_were_left(saved: Saved, backend: str) -> None:
    positions = json.loads((saved.folder / "state" / "logfile.positions.json").read_text("utf-8"))
    server_log, maps = saved.folder / "server.log", saved.folder / "maps"
    old = (saved.folder / "events.jsonl").read_text("utf-8")
    with server_log.open("a", encoding="utf-8") as file:
        file.write(f"ned the game\n[20:16:03] [Server thread/INFO]: Wagtail{LOGIN}\n")
        file.write("[20:17:00] [Server thread/INFO]: Stopping server\n")
        file.write("[20:17:30] [Server thread/INFO]: Starting minecraft server version 1.21\n")
        file.write('[20:18:00] [Server thread/INFO]: Done (1.0s)! For help, type "help"\n')

    with (maps / "L0101001.log").open("a", encoding="utf-8") as file:
        # One who comes was noted, but is posted only now; one who goes is known from the file before.
        file.write('L 01/01/2026 - 20:31:00: "Curlew<3><STEAM_1:0:2><>" entered the game\n')
        file.write('L 01/01/2026 - 20:32:00: "Avocet<2><STEAM_1:0:1><>" disconnected\n')
        file.write('L 01/01/2026 - 20:33:00: Started map "de_osprey"\n')

    async with serving(saved) as server, running(saved, backend) as daemon:
        for last in ("Server Started", "osprey"):
            await server.wait_for("default", last)

        await daemon.stop()

    assert daemon.log.count("from where it was left") == 2
    text = (saved.folder / "events.jsonl").read_text("utf-8")
    assert text.startswith(old)
    events = [json.loads(line) for line in text[len(old) :].splitlines()]
    by_file = {
        name: [
            event
            for event in events
            if event["id"].startswith(f"{positions['files'][str(path)]['file_id']}-")
        ]
        for name, path in (("server", server_log), ("maps", maps / "*.log"))
    }
    assert sum(map(len, by_file.values())) == len(events)
    assert [
        (event["type"], event.get("peer_name"), event.get("players")) for event in by_file["server"]
    ] == [
        ("peer_joined", "Wagtail", None),
        # The version before has seen two of them come.
        ("peer_left", "Albatross", None),
        ("peer_left", "Bittern", None),
        ("peer_left", "Wagtail", None),
        ("server_stopped", None, None),
        ("server_started", None, None),
    ]
    assert [
        (event["type"], event.get("peer_name") or event["game_name"], event.get("players"))
        for event in by_file["maps"]
    ] == [
        ("peer_joined", "Curlew", None),
        ("peer_left", "Avocet", None),
        ("game_started", "de_osprey", ["Curlew"]),
    ]


ROLE = "123456789012345678"


async def test_parties_begin_with_what_comes_and_mentions_keep_their_cooldown(
    saved: Saved, backend: str
) -> None:
    """The plugin parties is new, and so are thresholds of mentions, which are in the same file."""
    route = f"{{events: [event], mention: {{roles: ['{ROLE}'], cooldown: 1h}}}}"
    saved.rewrite("lanrage.yaml", replace={"pager:": "parties:", "{events: [event]}": route})
    last_mention = {ROLE: time.time() - 60}
    (saved.folder / "state" / "discord.mentions.json").write_text(json.dumps(last_mention), "utf-8")
    old = (saved.folder / "events.jsonl").read_text("utf-8")
    async with serving(saved) as server, running(saved, backend, last="parties") as daemon:
        # Old news mentions no one.
        await server.wait_for("default", "Gadwall")
        with (saved.folder / "server.log").open("a", encoding="utf-8") as file:
            file.write(f"ned the game\n[20:16:03] [Server thread/INFO]: Wagtail{LOGIN}\n")
            file.write("[20:16:03] [Server thread/INFO]: Bittern lost connection: Disconnected\n")
            file.write(f"[20:16:04] [Server thread/INFO]: Curlew{LOGIN}\n")

        await server.wait_for("default", "Curlew")
        await daemon.stop()

    text = (saved.folder / "events.jsonl").read_text("utf-8")
    events = {
        event["peer_name"]: event
        for event in map(json.loads, text[len(old) :].splitlines())
        if event["type"].startswith("peer_")
    }
    came = events["Wagtail"], events["Curlew"]
    assert [(event["first_time"], event["count"]) for event in came] == [(True, 1), (True, 2)]
    # Whose join the older version saw is not in a party.
    assert (events["Bittern"]["duration"], events["Bittern"]["count"]) == (None, 1)
    assert server.text("default").count("Curlew") == 1
    # Whichever webhook is first would mention it.
    assert ROLE not in json.dumps(server.discord.journal.messages())
