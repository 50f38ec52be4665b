"""One contract for the stand-in, run by clients that others wrote.

They are installed in an environment of their own, in the folder that ``LANRAGE_EVENTS_CLIENTS``
names: ``.ci/run clients`` makes it. Without the variable these tests are skipped; with it, a client
that is not installed fails them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lanrage_events_discord.testing import StandInDiscord, StandInWebhook

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

ADAPTERS = Path(__file__).parent / "adapters"
FOLDER = os.environ.get("LANRAGE_EVENTS_CLIENTS", "")
if not FOLDER:
    pytest.skip(
        "LANRAGE_EVENTS_CLIENTS is not set; .ci/run clients installs the clients and tries them",
        allow_module_level=True,
    )

ANSWER_SECONDS = 40
TAG = "140000000000000009"
USER = "140000000000000001"


@dataclass(frozen=True)
class Client:
    """A client, and what it cannot do."""

    name: str
    adapter: str
    lacks: frozenset[str] = frozenset()
    """of: edit, fetch, delete, webhook, rename, result, embed, no_wait, description, thread_name,
    poll, components, empty, long, retry_after, global_wait (it tries again at once), code (of an
    error), code_of_413, form_code (since its URLs have no version)"""

    def command(self, folder: Path) -> list[str]:
        adapter = str(ADAPTERS / self.adapter)
        python = folder / "venv" / "bin" / "python"
        return ["node", adapter] if adapter.endswith(".mjs") else [str(python), adapter]


CLIENTS = [
    Client("discord.py", "run_discord_py.py"),
    Client("disnake", "run_disnake.py"),
    Client(
        "hikari",
        "run_hikari.py",
        frozenset({"no_wait", "description", "thread_name", "code_of_413", "global_wait"}),
    ),
    Client("discord.js", "run_discord_js.mjs", frozenset({"no_wait"})),
    Client(
        "discord-webhook",
        "run_discord_webhook.py",
        frozenset(
            {
                "fetch",
                "webhook",
                "rename",
                "no_wait",
                "description",
                "poll",
                "components",
                "form_code",
            }
        ),
    ),
    Client(
        "Apprise",
        "run_apprise.py",
        frozenset(
            {
                "edit",
                "fetch",
                "delete",
                "webhook",
                "rename",
                "result",
                "embed",
                "no_wait",
                "description",
                "thread_name",
                "poll",
                "components",
                "empty",
                "long",
                "code",
                "retry_after",
            }
        ),
    ),
]


class Rejected(Exception):
    """Raised when a client reports an error of Discord."""

    def __init__(self, status: int | None, code: int | None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


@dataclass
class Running:
    """The process of a client."""

    client: Client
    process: subprocess.Popen[str]

    def can(self, *features: str) -> None:
        """Skip the test if the client lacks something that it is about."""
        lacking = self.client.lacks.intersection(features)
        if lacking:
            pytest.skip(f"{self.client.name} has no {', '.join(sorted(lacking))}")

    async def __call__(self, call: str, webhook: StandInWebhook, **words: Any) -> Any:
        base = webhook.url.partition("/api/")[0]
        request = {"call": call, "base": base, "id": webhook.id, "token": webhook.token, **words}
        ask = partial(self._ask, json.dumps(request) + "\n")
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                line = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
        except TimeoutError:
            self.process.kill()
            raise

        answer = json.loads(line)
        if "rejected" in answer:
            raise Rejected(*answer["rejected"])

        assert "crashed" not in answer, answer["crashed"]
        return answer["result"]

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=CLIENTS, ids=lambda client: client.name)
def run(request: pytest.FixtureRequest) -> Iterator[Running]:
    client: Client = request.param
    folder = Path(FOLDER)
    process = subprocess.Popen(
        client.command(folder),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        yield Running(client, process)
        process.terminate()


async def test_a_message_is_posted_and_read(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        result = await run("send", webhook, wait=True, content=f"hello <@{USER}>")

    [message] = webhook.messages
    assert message["content"] == f"hello <@{USER}>"
    run.can("result")
    assert result["id"] == message["id"]
    assert result["channel_id"] == webhook.channel_id
    assert result["content"] == message["content"]
    assert result["mentions"] == [[USER, f"user.{USER}"]]
    assert not result["edited"]


async def test_a_message_has_a_sender_and_an_embed(run: Running) -> None:
    run.can("embed")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    embed = {"title": "LAN", "color": 0xFF8800}
    async with discord.serve():
        result = await run("send", webhook, wait=True, content="x", username="Ann", embed=embed)

    assert result["author"] == "Ann"
    assert result["embeds"] == [["LAN", 0xFF8800]]


async def test_a_message_is_posted_without_waiting_for_it(run: Running) -> None:
    run.can("no_wait")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        assert await run("send", webhook, wait=False, content="hello") is None

    assert discord.journal[0].status == 204
    assert len(webhook.messages) == 1


@pytest.mark.parametrize("wait", [True, False])
async def test_files_are_attached(run: Running, wait: bool) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    files = [
        {"name": "a.txt", "text": "x", "description": "the first"},
        {"name": "prüfung b.txt", "text": "ä"},
    ]
    async with discord.serve():
        result = await run("send", webhook, wait=wait, content="files", files=files)

    assert discord.journal[-1].status == 200
    found = webhook.messages[-1]["attachments"]
    assert [(item["filename"], item["size"]) for item in found] == [
        ("a.txt", 1),
        ("prüfung b.txt", 2),
    ]
    assert len({item["id"] for item in found}) == 2
    if "description" not in run.client.lacks:
        assert [item.get("description") for item in found] == ["the first", None]

    run.can("result")
    if wait:
        assert [item[:4] for item in result["attachments"]] == [
            [item["id"], item["filename"], item["size"], item["url"]] for item in found
        ]


async def test_a_message_is_posted_to_a_thread(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    thread_id = webhook.create_thread("tonight")
    async with discord.serve():
        await run("send", webhook, wait=True, content="x", thread_id=thread_id)

    assert webhook.messages[0]["channel_id"] == thread_id


async def test_a_thread_of_a_forum_is_made_and_used(run: Running) -> None:
    run.can("thread_name")
    discord = StandInDiscord()
    webhook = discord.create_webhook(forum=True, require_tag=True)
    async with discord.serve():
        first = await run(
            "send", webhook, wait=True, content="x", thread_name="Tonight", tags=[TAG]
        )
        thread_id = first["channel_id"]
        second = await run("send", webhook, wait=True, content="y", thread_id=thread_id)
        edited = await run(
            "edit", webhook, message_id=second["id"], thread_id=thread_id, content="z"
        )

    assert webhook.threads == {thread_id: "Tonight"}
    assert edited["content"] == "z"
    assert {message["channel_id"] for message in webhook.messages} == {thread_id}


async def test_an_edit_replaces_the_content(run: Running) -> None:
    run.can("edit")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        message = await run("send", webhook, wait=True, content="before")
        result = await run("edit", webhook, message_id=message["id"], content="after")

    assert result["content"] == "after"
    assert result["edited"]
    assert webhook.messages[0]["content"] == "after"


async def test_an_edit_keeps_and_adds_files(run: Running) -> None:
    run.can("edit", "fetch")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    files = [{"name": f"{name}.txt", "text": name} for name in "ab"]
    async with discord.serve():
        message = await run("send", webhook, wait=True, content="x", files=files)
        kept = message["attachments"][1]
        result = await run(
            "edit",
            webhook,
            message_id=message["id"],
            keep=[kept[0]],
            files=[{"name": "c.txt", "text": "ccc"}],
        )

    assert result["attachments"][0] == kept
    assert [item[1] for item in result["attachments"]] == ["b.txt", "c.txt"]
    assert len({item[0] for item in [*message["attachments"], *result["attachments"]]}) == 3


async def test_an_edit_removes_files(run: Running) -> None:
    run.can("edit")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    files = [{"name": f"{name}.txt", "text": name} for name in "ab"]
    async with discord.serve():
        message = await run("send", webhook, wait=True, content="x", files=files)
        kept = message["attachments"][1]
        result = await run(
            "edit", webhook, message_id=message["id"], content="y", keep=[kept[0]], files=[]
        )

    assert [item[0] for item in result["attachments"]] == [kept[0]]


async def test_a_message_is_fetched(run: Running) -> None:
    run.can("fetch")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        posted = await run("send", webhook, wait=True, content=f"hello <@{USER}>")
        fetched = await run("fetch", webhook, message_id=posted["id"])

    assert fetched == posted


async def test_a_message_is_deleted(run: Running) -> None:
    run.can("delete")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        posted = await run("send", webhook, wait=True, content="x")
        await run("delete", webhook, message_id=posted["id"])
        with pytest.raises(Rejected) as caught:
            await run("delete", webhook, message_id=posted["id"])

    assert (caught.value.status, caught.value.code) == (404, 10008)
    assert webhook.messages == []


async def test_the_webhook_is_fetched(run: Running) -> None:
    run.can("webhook")
    discord = StandInDiscord()
    webhook = discord.create_webhook(name="games")
    async with discord.serve():
        found = await run("webhook", webhook)

    assert found == {"name": "games", "channel_id": webhook.channel_id}


async def test_the_webhook_is_renamed(run: Running) -> None:
    run.can("rename", "result")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        assert await run("rename", webhook, name="Ann") == {"name": "Ann", "has_picture": True}
        result = await run("send", webhook, wait=True, content="x")

    assert webhook.name == "Ann"
    assert result["author"] == "Ann"


async def test_a_poll_is_posted(run: Running) -> None:
    run.can("poll")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    poll = {"question": "Again?", "answers": ["yes", "no"], "hours": 2}
    async with discord.serve():
        result = await run("send", webhook, wait=True, poll=poll)

    assert result["poll"] == ["Again?", [[1, "yes"], [2, "no"]]]


async def test_a_link_button_stands_under_a_message(run: Running) -> None:
    run.can("components")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        result = await run("send", webhook, wait=True, content="x", components="link")

    [row] = webhook.messages[0]["components"]
    assert [row["id"], row["components"][0]["id"]] == [1, 2]
    assert result["components"] == [[1, 1]]


async def test_a_message_is_made_of_components(run: Running) -> None:
    run.can("components")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        result = await run("send", webhook, wait=True, components="layout")

    [container] = webhook.messages[0]["components"]
    assert [child["type"] for child in container["components"]] == [10, 9, 14, 12, 1]
    assert result["components"] == [[17, 1]]
    assert result["mentions"] == [[USER, f"user.{USER}"]]


async def test_a_burst_arrives_in_spite_of_the_limit(run: Running) -> None:
    discord = StandInDiscord(limit=3, per=0.5)
    webhook = discord.create_webhook()
    async with discord.serve():
        for number in range(5):
            await run("send", webhook, wait=True, content=str(number))

    assert [message["content"] for message in webhook.messages] == [str(n) for n in range(5)]


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("user", 0),
        ("shared", 0),
        ("global", 0),
        ("shared", 30046),
        ("shared", 20016),
        ("shared", 20028),
        ("shared", 20029),
        ("shared", 40062),
    ],
)
async def test_a_client_waits_after_a_429(run: Running, scope: Any, code: int) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(429, code=code, scope=scope, retry_after=0.1)
    async with discord.serve():
        await run("send", webhook, wait=True, content="x")

    first, second = discord.journal
    assert (first.status, first.code) == (429, code)
    assert second.accepted
    if not run.client.lacks & {"retry_after", "global_wait" if scope == "global" else ""}:
        assert second.time - first.time >= 0.1


@pytest.mark.parametrize(("status", "code"), [(500, 0), (502, 0), (503, 0), (503, 130000)])
async def test_a_server_error_is_reported_or_tried_again(
    run: Running, status: int, code: int
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(status, code=code)
    async with discord.serve():
        reported: int | None = 0
        try:
            await run("send", webhook, wait=True, content="x")
        except Rejected as error:
            reported = error.status

    tried_again = [record.accepted for record in discord.journal] == [False, True]
    assert tried_again if reported == 0 else reported in (status, None)
    assert len(webhook.messages) == int(tried_again)


# Those of Discord's errors that a sender meets, and that the stand-in does not make by itself.
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 50109),
        (400, 50083),
        (400, 220002),
        (400, 160006),
        (400, 240000),
        (403, 160005),
        (403, 40004),
        (403, 40006),
    ],
)
async def test_a_scripted_error_is_reported(run: Running, status: int, code: int) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(status, code=code, message="words of Discord", times=10)
    async with discord.serve():
        await reject(run, webhook, status, code, content="x")

    assert webhook.messages == []


async def test_a_ban_of_cloudflare_is_reported_or_waited_for(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(429, html=True, retry_after=1)
    async with discord.serve():
        with contextlib.suppress(Rejected):
            await run("send", webhook, wait=True, content="x")

    assert discord.journal[0].status == 429
    assert len(webhook.messages) == len(discord.journal) - 1 <= 1


async def test_a_webhook_that_is_gone_is_reported(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    webhook.delete()
    async with discord.serve():
        await reject(run, webhook, 404, 10015, content="x")


async def test_a_wrong_token_is_reported(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        await reject(run, webhook, 401, 50027, content="x", token="x" * len(webhook.token))


async def test_an_unknown_thread_is_reported(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        await reject(run, webhook, 404, 10003, content="x", thread_id=TAG)


async def test_an_unknown_message_is_reported(run: Running) -> None:
    run.can("edit")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        with pytest.raises(Rejected) as caught:
            await run("edit", webhook, message_id=TAG, content="x")

    check(run, caught.value, 404, 10008)


async def test_what_is_too_long_is_reported(run: Running) -> None:
    run.can("long")  # Apprise splits it
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        await reject(run, webhook, 400, 50035, content="x" * 2001)


async def test_a_name_that_discord_reserves_is_reported(run: Running) -> None:
    run.can("embed")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        await reject(run, webhook, 400, 50035, content="x", username="my discord bot")


async def test_an_empty_message_is_reported(run: Running) -> None:
    run.can("empty")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        await reject(run, webhook, 400, 50006, content=" ")


async def test_a_file_that_is_too_large_is_reported(run: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    file = {"name": "a.txt", "text": "x" * (10 * 1024 * 1024 + 1)}
    async with discord.serve():
        await reject(run, webhook, 413, 40005, content="x", files=[file])


@pytest.mark.parametrize(
    ("forum", "tag", "words", "code"),
    [
        (True, False, {}, 220001),
        (False, False, {"thread_name": "x"}, 220003),
        (True, True, {"thread_name": "x"}, 40067),
    ],
)
async def test_a_mistake_with_threads_is_reported(
    run: Running, forum: bool, tag: bool, words: dict[str, str], code: int
) -> None:
    run.can(*words)
    discord = StandInDiscord()
    webhook = discord.create_webhook(forum=forum, require_tag=tag)
    async with discord.serve():
        await reject(run, webhook, 400, code, content="x", **words)


async def reject(
    run: Running, webhook: StandInWebhook, status: int, code: int, **words: Any
) -> None:
    with pytest.raises(Rejected) as caught:
        await run("send", webhook, wait=True, **words)

    check(run, caught.value, status, code)


def check(run: Running, error: Rejected, status: int, code: int) -> None:
    if "code" in run.client.lacks:
        return

    assert error.status == status
    silent = {(50035, "form_code"), (40005, "code_of_413")}
    lacks = any(number == code and name in run.client.lacks for number, name in silent)
    assert error.code == (None if lacks else code)
