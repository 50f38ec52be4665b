"""The command outbox, on files as the daemon leaves them: worker threads, so real time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events._cli import main
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox, OutboxItem

pytestmark = pytest.mark.real_clock

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["outbox", *words, "--state-folder", str(tmp_path)])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def outbox(tmp_path: Path) -> list[int]:
    """An outbox of three pending entries and two dead letters; return their numbers."""

    async def make() -> list[int]:
        async with Outbox(tmp_path / "discord.outbox") as outbox:
            ids = [
                await outbox.put("main", json.dumps({"text": f"number {n}"}), label="peer_joined")
                for n in range(5)
            ]
            await outbox.dead_letter(
                ids[:2], "Discord finds it invalid", "embeds.0.title: too long"
            )
            return ids

    return anyio.run(make)


def pending(tmp_path: Path) -> int:
    async def count() -> int:
        async with Outbox(tmp_path / "discord.outbox") as outbox:
            return len(await outbox.pending(limit=10_000))

    return anyio.run(count)


def test_list_shows_lanes_pending_entries_and_dead_letters(outbox: list[int], run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    lines = out.splitlines()
    assert lines[1].split()[:3] == ["main", "3", "2"]
    assert sum("Discord finds it invalid" in line for line in lines) == 2
    assert sum(" pending " in line for line in lines) == 3


def test_list_of_dead_letters_as_json(outbox: list[int], run: Run) -> None:
    code, out, _ = run("list", "--which", "dead", "--json")
    data = json.loads(out)
    assert code == 0
    assert [entry["id"] for entry in data["entries"]] == outbox[:2]
    assert data["entries"][0]["detail"] == "embeds.0.title: too long"
    assert data["lanes"][0]["pending"] == 3


def test_list_says_that_there_is_more(outbox: list[int], run: Run) -> None:
    _, out, _ = run("list", "--limit", "1")
    assert "3 more: give a higher --limit" in out


def test_show_prints_the_body_and_the_reason(outbox: list[int], run: Run) -> None:
    code, out, _ = run("show", str(outbox[0]))
    assert code == 0
    assert json.loads(out)["body"] == {"text": "number 0"}
    assert json.loads(out)["reason"] == "Discord finds it invalid"
    code, _, err = run("show", "999")
    assert code == 1
    assert "there is no entry 999" in err


@pytest.mark.slow
def test_retry_makes_dead_letters_pending_again(
    outbox: list[int], run: Run, tmp_path: Path
) -> None:
    code, out, _ = run("retry", str(outbox[0]))
    lines = "1 event to be tried again\nthey are sent when the daemon starts\n"
    assert (code, out) == (0, lines)
    assert pending(tmp_path) == 4
    code, out, _ = run("retry", "--all")
    assert (code, out) == (0, lines)
    assert pending(tmp_path) == 5
    code, _, err = run("retry", "999")
    assert code == 1
    assert "do not exist" in err


@pytest.mark.slow
def test_drop_removes_for_ever(outbox: list[int], run: Run, tmp_path: Path) -> None:
    code, out, _ = run("drop", str(outbox[4]))
    assert (code, out) == (0, "1 event dropped\n")
    code, _, err = run("drop", "--all", "dead")
    assert code == 2
    assert "this would drop 2 events for ever: confirm it with --yes" in err
    assert run("drop", "--all", "dead", "--yes")[:2] == (0, "2 events dropped\n")
    assert pending(tmp_path) == 2
    assert run("drop", "--all", "pending", "--yes")[:2] == (0, "2 events dropped\n")
    assert run("list")[1] == "the outbox is empty\n"


@pytest.mark.slow
def test_many_are_changed_in_steps(tmp_path: Path, run: Run) -> None:
    async def make() -> None:
        async with Outbox(tmp_path / "discord.outbox") as outbox:
            ids = await outbox.put_many(OutboxItem("main", "{}") for _ in range(2500))
            await outbox.dead_letter(ids, "no")

    anyio.run(make)
    assert run("retry", "--all")[1].startswith("2,500 events to be tried again\n")
    assert run("drop", "--all", "all", "--yes")[:2] == (0, "2,500 events dropped\n")


@pytest.mark.parametrize("words", [("retry",), ("retry", "1", "--all"), ("drop",)])
def test_either_numbers_or_all_must_be_named(words: tuple[str, ...], run: Run) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert "give either" in err


def test_missing_outbox_is_reported(run: Run) -> None:
    code, _, err = run("list")
    assert code == 2
    assert "there is no outbox in" in err


def test_one_of_several_outboxes_must_be_named(outbox: list[int], run: Run, tmp_path: Path) -> None:
    async def make() -> None:
        async with Outbox(tmp_path / "other.outbox") as other:
            await other.put("lane", "body that is no JSON")

    anyio.run(make)
    code, _, err = run("list")
    assert code == 2
    assert "there are several outboxes, choose one with --plugin: discord, other" in err
    assert run("list", "--plugin", "other")[0] == 0
    assert json.loads(run("show", "1", "--plugin", "other")[1])["body"] == "body that is no JSON"
    assert "known: discord, other" in run("list", "--plugin", "third")[2]


@pytest.mark.slow
def test_state_folder_comes_from_the_configuration(
    outbox: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text("state_folder: .\nplugins:\n  log: {}\n", encoding="utf-8")
    assert main(["outbox", "list", "--config", str(file)]) == 0
    assert "main" in capsys.readouterr().out
    # What else is wrong is no concern of this.
    file.write_text("state_folder: .\nplugins:\n  lgo: {}\n", encoding="utf-8")
    assert main(["outbox", "list", "--config", str(file)]) == 0
    capsys.readouterr()
    file.write_text("state_folder: ${NOT_SET_HERE}\nplugins:\n", encoding="utf-8")
    assert main(["outbox", "list", "--config", str(file)]) == 78
    assert "--state-folder" in capsys.readouterr().err


@pytest.mark.slow
def test_file_that_is_not_an_outbox_is_rejected(tmp_path: Path, run: Run) -> None:
    (tmp_path / "discord.outbox").write_bytes(b"something else" * 100)
    code, _, err = run("list")
    assert code == 1
    assert "discord.outbox" in err


async def test_running_owner_hears_of_a_retry_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = anyio.Event()
    async with Outbox(tmp_path / "discord.outbox") as owner, anyio.create_task_group() as tasks:
        number = await owner.put("main", "{}")
        await owner.dead_letter([number], "no")
        tasks.start_soon(owner.listen, heard.set)
        words: list[Any] = ["outbox", "retry", str(number), "--state-folder", str(tmp_path)]
        assert await anyio.to_thread.run_sync(main, words) == 0
        assert "they are sent now, by the daemon that runs" in capsys.readouterr().out
        with anyio.fail_after(10):
            await heard.wait()

        assert len(await owner.read("main")) == 1
        tasks.cancel_scope.cancel()


def test_list_shows_what_a_receiver_asked_to_wait(
    tmp_path: Path, outbox: list[int], run: Run
) -> None:
    now = utc_now().timestamp()
    lanes = {
        name: {"seconds": seconds, "reason": "HTTP 429", "receiver": ""}
        for name, seconds in (("main", 3600), ("other", 3600), ("over", -1))
    }
    file = tmp_path / "discord.waits.json"
    file.write_text(json.dumps({"written": now, "lanes": lanes}), "utf-8")
    until = datetime.fromtimestamp(now + 3600, UTC)
    assert f"{until:%Y-%m-%d %H:%M:%S}Z" in run("list")[1].splitlines()[1]
    [lane] = json.loads(run("list", "--json")[1])["lanes"]
    assert lane["asked_to_wait_until"] == until.isoformat()
    assert lane["postponed_until"] is None
    file.write_text("{", "utf-8")
    [lane] = json.loads(run("list", "--json")[1])["lanes"]
    assert lane["asked_to_wait_until"] is None
