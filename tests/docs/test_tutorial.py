"""docs/tutorial.md, done step by step against a stand-in for Discord.

What is done in the browser is done by tests/plugins/http/browser/test_browser_guide.py; here the
routes that the page uses take its place.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from lanrage_events_discord.testing import StandInDiscord

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the daemon is stopped with a signal"),
]

TEXT = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")
TIMEOUT_SECONDS = 40
MODULE = (sys.executable, "-m", "lanrage_events")


def sections() -> dict[str, str]:
    parts = re.split(r"^## \d+\. (.*)\n", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = sections()


def blocks(section: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)


def steps(section: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a section with the output that is shown below it."""
    for block in blocks(section, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


def matches(shown: str, output: str) -> bool:
    """Whether an output is the one that is shown, in which … and times stand for others."""
    pattern = re.escape(shown).replace("…", ".*")
    pattern = re.sub(r"2026\\-03\\-06(T|\\ )19:30\S*?(?=\"|\n|$)", ".*", pattern)
    return re.search(pattern, output) is not None


def check(shown: str, output: str) -> None:
    """Check that each line that is shown is in an output."""
    for line in filter(None, shown.splitlines()):
        assert matches(line, output), f"{output}\nlacks: {line}"


class Reader:
    """A reader who is in a folder, and does what the page says."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str]]
    ) -> None:
        self.set = monkeypatch.setenv
        self._command = command

    def types(self, command: str) -> str:
        """Run a command as the shell would, and return all that it prints."""
        program, *words = shlex.split(command)
        if program == "lanrage-events" and words[0] != "run":
            return self._command(*words)[1]

        prepared = re.sub(r"\blanrage-events\b", shlex.join(MODULE), command)
        result = subprocess.run(
            ["/bin/sh", "-c", prepared],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return result.stdout

    def follows(self, section: str) -> None:
        """Run each command of a section, and compare what it prints with what is shown."""
        for command, shown in steps(section):
            if command.startswith((". ", "export ")):
                continue  # the environment is there already

            check(shown, self.types(command))

    def writes(self, name: str, text: str) -> None:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    @contextmanager
    def daemon(self) -> Iterator[list[str]]:
        """Run the daemon, and give the lines that it has logged when it was ready."""
        with subprocess.Popen(
            [*MODULE, "run"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            encoding="utf-8",
        ) as process:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                if "ready, with" in line:
                    break

            try:
                yield lines
            finally:
                process.send_signal(signal.SIGINT)
                lines += process.stderr.readlines()

            assert process.returncode is None or process.returncode == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_reader_gets_from_nothing_to_a_channel_with_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str]]
) -> None:
    discord = StandInDiscord(limit=None)
    async with discord.serve():
        webhook = discord.create_webhook()
        reader = Reader(monkeypatch, command)
        reader.set("PYTHONIOENCODING", "utf-8")
        reader.set("XDG_STATE_HOME", str(tmp_path / "state"))
        reader.set("LANRAGE_EVENTS_PORT", "0")
        reader.set("LANRAGE_EVENTS_DISCORD_HOST", discord.host)
        monkeypatch.delenv("LANRAGE_EVENTS_TOKEN", raising=False)
        (tmp_path / "party").mkdir()
        monkeypatch.chdir(tmp_path / "party")
        with anyio.fail_after(TIMEOUT_SECONDS):
            await anyio.to_thread.run_sync(do_without_a_file, reader, webhook.url)

        titles = [message["embeds"][0]["title"] for message in webhook.messages]
        assert titles == ["✅ LANrage can post here", "👋 Ann joined", "Pizza"]

        with anyio.fail_after(TIMEOUT_SECONDS):
            await anyio.to_thread.run_sync(do_with_a_file, reader, webhook.url, discord.host)

        titles = [message["embeds"][0]["title"] for message in webhook.messages]
        assert titles[3:] == ["👋 Ann joined", "🎉 Ann is here"]


def do_without_a_file(reader: Reader, webhook_url: str) -> None:
    [(_, shown)] = steps("Start it")
    with reader.daemon() as lines:
        check(shown.replace("http://127.0.0.1:8666/", "…"), "".join(lines))
        [url] = re.findall(r"the page is at\s+(\S+)/", "".join(lines))
        with httpx.Client(base_url=url, trust_env=False) as page:
            saved = page.post("/api/discord/webhook", json={"webhook_url": webhook_url})
            assert saved.json()["webhook"]["configured"], saved.text
            assert page.post("/api/discord/test", json={}).json()["delivered"]

        reader.set("LANRAGE_EVENTS_URL", url)
        reader.follows("Publish an event")


def do_with_a_file(reader: Reader, webhook_url: str, host: str) -> None:
    [text] = blocks("The same with a file", "yaml")
    reader.writes("lanrage.yaml", text)
    reader.follows("The same with a file")
    [shown] = blocks("The same with a file", "text")
    output = reader.types("lanrage-events run --stdin < ann.jsonl")
    check(re.sub(r'"id":"[^"]*"', '"id":"…"', shown), output)

    saved, with_url = blocks("Add Discord and the page", "yaml")
    # The port and the host are the test's own.
    reader.writes("lanrage.yaml", adapt(saved, host))
    assert "all is well" in reader.types("lanrage-events check")
    reader.types("lanrage-events run --stdin < ann.jsonl")

    reader.set("DISCORD_WEBHOOK_URL", webhook_url)
    reader.writes("lanrage.yaml", adapt(with_url, host))
    assert "all is well" in reader.types("lanrage-events check")

    template, with_templates = blocks("Change the words", "yaml")
    (before, shown_before), (after, shown_after) = steps("Change the words")
    check(shown_before, reader.types(before))
    reader.writes("my-templates/discord/peer_joined.yaml", template)
    reader.writes("lanrage.yaml", adapt(with_templates, host))
    check(shown_after, reader.types(after))
    reader.types("lanrage-events run --stdin < ann.jsonl")


def adapt(text: str, host: str) -> str:
    settings = f"    allow_hosts: ['{host}']\n"
    return text.replace("  http:\n", "  http: {port: 0}\n").replace(
        "  discord:\n", f"  discord:\n{settings}"
    )


def test_an_output_that_is_not_shown_would_be_noticed() -> None:
    assert matches("published peer_joined …", "published peer_joined 1f-2\n")
    assert not matches("published peer_joined …", "published peer_left 1f-2\n")
    assert matches("▌ LANrage • 2026-03-06 19:30", "▌ LANrage • 2027-01-01 00:00")
