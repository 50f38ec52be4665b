from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest


def joined(*names: str) -> str:
    return "".join(
        f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
        for name in names
    )


def left(*names: str) -> str:
    return "".join(
        f"[20:15:00] [Server thread/INFO]: {name} lost connection: Disconnected\n" for name in names
    )


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)


async def test_new_lines_are_published_and_old_ones_are_not(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old"))
    async with evening() as server:
        append(log, joined("Ann") + "[20:15:01] [Server thread/INFO]: <Ann> hi\n" + left("Ann"))
        await server.settle()

        assert server.seen == ["+Ann", "-Ann"]
        assert {event.party_name for event in server.durable.events} == {"Minecraft"}


async def test_a_new_file_is_read_from_its_beginning_if_that_is_wanted(
    evening: Any, tmp_path: Path
) -> None:
    append(tmp_path / "latest.log", joined("Ann"))
    async with evening(start="beginning") as server:
        assert server.seen == ["+Ann"]


async def test_a_line_is_taken_when_its_newline_came(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old") + "[20:15:00] [Server thr")
    async with evening() as server:
        append(log, "ead/INFO]: Ann[/10.0.0.1:1] logged in wi")
        await server.settle()
        assert server.seen == []

        append(log, "th entity id 1 at (0.5, 64.0, 0.5)\r\n")
        await server.settle()
        assert server.seen == ["+Ann"]


async def test_a_file_that_appears_later_is_read_from_its_beginning(
    evening: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    async with evening(path=folder / "latest.log") as server:
        assert server.health.status == "degraded"
        assert server.health.detail == f"waiting for '{folder / 'latest.log'}' to appear"

        folder.mkdir()
        append(folder / "latest.log", joined("Ann"))
        await server.settle()

        assert server.seen == ["+Ann"]
        assert server.health.status == "ok"


async def test_a_file_that_appears_between_two_runs_is_read_from_its_beginning(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    async with evening(durable):
        pass

    append(tmp_path / "latest.log", joined("Ann"))
    async with evening(durable) as server:
        assert server.seen == ["+Ann"]


async def test_a_renamed_file_is_read_to_its_end_before_the_new_one(
    evening: Any, tmp_path: Path
) -> None:
    log, old = tmp_path / "latest.log", tmp_path / "2026-11-24-1.log"
    append(log, joined("Ann"))
    async with evening(start="beginning") as server:
        append(log, joined("Bob"))
        log.rename(old)
        await server.settle()
        append(old, left("Bob"))
        await server.settle()
        # It was made, but the server still writes to the old one.
        log.touch()
        await server.settle()
        append(old, left("Ann"))
        append(log, joined("Cid"))
        await server.settle()
        append(log, left("Cid"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "-Bob", "-Ann", "+Cid", "-Cid"]


async def test_the_last_line_of_a_renamed_file_needs_no_newline(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        append(log, joined("Ann").rstrip())
        await server.settle()
        log.rename(tmp_path / "old.log")
        append(log, joined("Bob"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob"]


async def test_a_truncated_file_is_read_from_its_beginning(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann", "Bob"))
    async with evening(start="beginning") as server:
        os.truncate(log, 0)
        await server.settle()
        append(log, joined("Cid"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "+Cid"]


async def test_a_file_that_was_truncated_and_has_grown_beyond_is_noticed(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(start="beginning") as server:
        log.write_text(joined("Bob", "Cid", "Dan"), "utf-8")
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "+Cid", "+Dan"]


async def test_a_replaced_file_with_the_same_beginning_is_noticed(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    banner = "[20:00:00] [Server thread/INFO]: Environment: a long line\n" * 20
    append(log, banner + joined("Ann"))
    async with evening(start="beginning") as server:
        log.write_text(banner + joined("Bob", "Cid"), "utf-8")
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "+Cid"]


@pytest.mark.slow
@pytest.mark.parametrize("is_stopped", [False, True])
async def test_the_rest_of_a_copied_and_truncated_file_is_read_from_the_copy(
    evening: Any, tmp_path: Path, is_stopped: bool, durable: Any
) -> None:
    log, copy = tmp_path / "latest.log", tmp_path / "latest.log.1"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning") as server:
        if not is_stopped:
            append(log, joined("Bob"))
            shutil.copyfile(log, copy)
            log.write_text(joined("Cid"), "utf-8")
            await server.settle()

    if is_stopped:
        append(log, joined("Bob"))
        shutil.copyfile(log, copy)
        log.write_text(joined("Cid"), "utf-8")

    async with evening(durable) as server:
        assert server.seen == ["+Ann", "+Bob", "+Cid"]


async def test_a_restart_goes_on_where_it_was_left(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning"):
        pass

    append(log, joined("Bob"))
    async with evening(durable) as server:
        append(log, left("Ann"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "-Ann"]


async def test_the_rest_of_a_file_that_was_renamed_meanwhile_comes_first(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning"):
        pass

    append(log, joined("Bob"))
    log.rename(tmp_path / "2026-11-24-1.log")
    append(log, joined("Cid"))
    append(tmp_path / "other.log", joined("Eve"))
    async with evening(durable) as server:
        assert server.seen == ["+Ann", "+Bob", "+Cid"]


async def test_the_rest_of_a_file_that_was_packed_meanwhile_comes_first(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    (tmp_path / "broken.log.gz").write_bytes(b"this is not packed")
    async with evening(durable, start="beginning"):
        pass

    append(log, joined("Bob"))
    (tmp_path / "2026-11-24-1.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, joined("Cid"))
    async with evening(durable) as server:
        append(log, left("Cid"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "+Cid", "-Cid"]


async def test_a_rest_that_is_gone_is_warned_of(
    evening: Any, tmp_path: Path, durable: Any, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning"):
        pass

    log.unlink()
    append(log, joined("Cid"))
    async with evening(durable) as server:
        assert server.seen == ["+Ann", "+Cid"]
        assert "is gone, so events from its end may be missing" in caplog.text


async def test_a_file_that_went_and_comes_back_is_waited_for(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning"):
        pass

    log.unlink()
    async with evening(durable) as server:
        assert "waiting for" in server.health.detail
        append(log, joined("Bob"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob"]


def age(path: Path, seconds: int) -> None:
    """Let a file be written to at some second, as servers do in the order of their files."""
    time = 1_000_000_000 + seconds
    os.utime(path, (time, time))


async def test_with_a_wildcard_the_newest_file_is_followed_and_then_its_successors(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    logs = [tmp_path / f"server-2026-11-{day}.log" for day in (20, 21, 22, 23, 24, 25)]
    for number, log in enumerate(logs[:2]):
        append(log, joined(f"Old{number}"))
        age(log, number)

    path = tmp_path / "server-*.log"
    async with evening(durable, path=path) as server:
        append(logs[1], joined("Ann"))
        age(logs[1], 2)
        await server.settle()
        append(logs[2], joined("Bob"))
        age(logs[2], 3)
        await server.settle()

    append(logs[2], left("Bob"))
    age(logs[2], 4)
    append(logs[3], left("Ann"))
    age(logs[3], 5)
    append(logs[4], joined("Cid"))
    age(logs[4], 6)
    append(tmp_path / "other.log", joined("Eve"))
    async with evening(durable, path=path) as server:
        assert server.seen == ["+Ann", "+Bob", "-Bob", "-Ann", "+Cid"]

    for log in logs:
        log.unlink(missing_ok=True)

    append(logs[0], joined("Old"))
    age(logs[0], 0)
    async with evening(durable, path=path) as server:
        assert "waiting for" in server.health.detail
        append(logs[5], left("Cid"))
        age(logs[5], 9)
        await server.settle()

        assert server.seen[-1] == "-Cid"
        assert len(server.seen) == 6


async def test_two_files_that_are_both_written_to_are_not_read_again_and_again(
    evening: Any, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.log", tmp_path / "2.log"
    append(first, joined("Ann"))
    async with evening(path=tmp_path / "*.log", start="beginning") as server:
        for number in range(3):
            append(second, joined(f"Bob{number}"))
            age(second, 2 * number + 2)
            await server.settle()
            append(first, joined(f"Cid{number}"))
            age(first, 2 * number + 3)
            await server.settle()

        seen = server.seen
        assert len(seen) == len(set(seen))


async def test_brackets_in_the_name_of_a_file_are_nothing_special(
    evening: Any, tmp_path: Path
) -> None:
    append(tmp_path / "[lan] 1.log", joined("Ann"))
    append(tmp_path / "l 1.log", joined("Bob"))
    async with evening(path=tmp_path / "[lan] *.log", start="beginning") as server:
        assert server.seen == ["+Ann"]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("latin-1", "latin-1"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-8", "utf-16"),
        ("latin-1", "utf-8-sig"),
        ("cp1252", "utf-16"),
        ("utf-16-be", "utf-16"),
    ],
)
@pytest.mark.either_backend
async def test_files_are_read_in_their_encoding(
    evening: Any, tmp_path: Path, encoding: str, written: str
) -> None:
    log = tmp_path / "latest.log"
    log.write_bytes((joined("Zoë") + "\n" + left("Zoë")).encode(written))
    async with evening(start="beginning", encoding=encoding) as server:
        assert server.seen == ["+Zoë", "-Zoë"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
@pytest.mark.parametrize("written", ["utf-16-be", "utf-16-le"])
async def test_a_byte_order_mark_that_comes_later_is_used(
    evening: Any, tmp_path: Path, written: str, encoding: str
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening(encoding=encoding) as server:
        log.write_bytes(("\ufeff" + joined("Ann") + left("Ann")).encode(written))
        await server.settle()

        assert server.seen == ["+Ann", "-Ann"]


async def test_utf_16_is_followed_from_its_last_line(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    # In UTF-16 the bytes of a newline are in these, too.
    awkward = "[20:15:00] [Server thread/INFO]: \u0a00\u000c\u0a0a\u0d0a\n"
    log.write_bytes((awkward + joined("Old") + "\u0a00\u0a00").encode("utf-16"))
    async with evening(encoding="utf-16") as server:
        with log.open("ab") as file:
            file.write(("\n" + awkward + joined("Ann")).encode("utf-16-le"))

        await server.settle()
        assert server.seen == ["+Ann"]


async def test_bytes_that_are_no_text_harm_only_themselves(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    log.write_bytes(b"\xfd\xff\xfe\0\n" + joined("Ann").encode())
    async with evening(start="beginning") as server:
        assert server.seen == ["+Ann"]


async def test_a_line_without_end_takes_no_memory_and_is_passed_over(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.write_bytes(b"x" * 3_000_000 + b"\n" + joined("Ann").encode())
    async with evening(start="beginning") as server:
        assert server.seen == ["+Ann"]
        counts = server.counts
        assert (counts["logfile_lines"], counts["logfile_failed"]) == (2, 1)


async def test_many_files_are_followed_beside_each_other(evening: Any, tmp_path: Path) -> None:
    files = {tmp_path / f"{number}.log": "minecraft" for number in range(5)}
    for path in files:
        append(path, "")

    async with evening(files=files, party_name="Friday LAN") as server:
        for number, path in enumerate(files):
            append(path, joined(f"P{number}"))

        await server.settle()
        assert sorted(server.seen) == [f"+P{number}" for number in range(5)]
        assert {event.party_name for event in server.durable.events} == {"Friday LAN"}


async def test_a_player_who_is_there_does_not_join_again_even_after_a_restart(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning"):
        pass

    append(log, joined("Ann") + left("Ann") + joined("Ann"))
    async with evening(durable) as server:
        assert server.seen == ["+Ann", "-Ann", "+Ann"]


async def test_a_folder_in_place_of_the_file_is_a_problem_that_is_tried_again(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    log.mkdir()
    async with evening() as server:
        assert server.health.status == "degraded"
        assert f"cannot read '{log}'" in server.health.detail
        for _ in range(3):
            await server.settle()

        assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1

        log.rmdir()
        append(log, joined("Ann"))
        await server.settle()
        assert server.health.status == "ok"
        append(log, joined("Bob"))
        await server.settle()
        assert server.seen[-1] == "+Bob"


async def test_metrics_count_what_was_read(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann") + "nothing\n")
    async with evening(start="beginning") as server:
        append(log, "not whole")
        figures = {
            metric.name: (metric.kind, metric.samples[0].value)
            for metric in server.bus.query("metrics")["logfile"]
        }
        assert figures == {
            "logfile_lines": ("counter", 2),
            "logfile_events": ("counter", 1),
            "logfile_unmatched": ("counter", 1),
            "logfile_failed": ("counter", 0),
            "logfile_behind_bytes": ("gauge", figures["logfile_behind_bytes"][1]),
        }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs what POSIX offers")
async def test_a_named_pipe_is_a_problem_and_does_not_hang(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    os.mkfifo(log)
    async with evening() as server:
        assert server.health.detail == f"cannot read '{log}': not a regular file"


async def test_a_long_file_without_any_newline_is_followed_from_its_end(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.write_bytes(b"x" * 3_000_000)
    async with evening() as server:
        append(log, "\n" + joined("Ann"))
        await server.settle()

        assert server.seen == ["+Ann"]
        assert server.counts["logfile_failed"] == 0


async def test_a_broken_compressed_file_is_not_read(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning"):
        pass

    packed = gzip.compress(log.read_bytes())
    (tmp_path / "1.log.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "2.log.gz").write_bytes(packed[:12] + b"\xff" * 40)
    log.write_text(joined("Bob"), "utf-8")
    async with evening(durable) as server:
        assert server.seen == ["+Ann", "+Bob"]


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs what POSIX offers")
async def test_a_file_that_may_not_be_read_is_logged_once_and_retried(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "locked"
    log = folder / "latest.log"
    user = os.geteuid()
    async with evening(path=log) as server:
        folder.mkdir()
        append(log, joined("Ann"))
        folder.chmod(0)
        # Root may read everything, so drop its privileges.
        os.seteuid(65534 if user == 0 else user)
        try:
            await server.settle()
            await anyio.sleep(1000)
            assert server.health.status == "degraded"
            assert server.health.detail.startswith(f"cannot read '{log}': Permission denied")
        finally:
            os.seteuid(user)

        folder.chmod(0o755)
        await anyio.sleep(61)

        assert server.seen == ["+Ann"]
        assert server.health.status == "ok"
        assert caplog.text.count("Permission denied") == 1


async def test_a_line_that_lacks_a_field_is_counted_and_warned_of_once(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    settings = {
        "preset": None,
        "patterns": {"notification": r"(?P<title>\w+): ?(?P<message>\w+)?(?P<color>#.*)?"},
    }
    async with evening(**settings) as server:
        append(log, "Pizza:\nPizza: here\nBeer:\nPizza: #red\n")
        await server.settle()

        assert [event.to_dict()["message"] for event in server.durable.events] == ["here"]
        assert server.counts["logfile_failed"] == 3
        warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert len(warnings) == 2
        assert (
            "matches patterns.notification but is not a valid event: message: required"
            in warnings[0]
        )


async def test_one_line_can_give_several_events_with_ids_of_their_own(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    settings = {
        "patterns": {"notification": r"(?P<message>.* logged in .*)"},
        "fields": {"notification": {"title": "Minecraft"}},
    }
    async with evening(**settings) as server:
        append(log, joined("Ann"))
        await server.settle()

        assert [event.type for event in server.durable.events] == ["peer_joined", "notification"]
        assert len(set(server.ids)) == 2


def line(text: str) -> str:
    return f"[20:15:00] [Server thread/INFO]: {text}\n"


BEGINS = line("Starting minecraft server version 1.21.4")


async def test_who_was_there_before_is_counted_and_leaves_but_did_not_join(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    # Zoe left when the server started again.
    append(log, joined("Zoe") + BEGINS + joined("Ann", "Bob") + left("Bob") + joined("Cid"))
    async with evening(durable) as server:
        append(log, joined("Dan"))
        await server.settle()

        assert server.seen == ["+Dan"]
        assert durable.events[-1].count == 3

    # It is still known after a restart, and then there is no one any more of whom no join was reported.
    async with evening(durable) as server:
        append(log, left("Ann") + joined("Ann") + left("Cid") + joined("Eve"))
        await server.settle()
        append(log, line("Stopping server") + left("Dan"))
        await server.settle()

    counts = [(server._short(event), getattr(event, "count", None)) for event in durable.events[1:]]
    assert counts == [
        ("-Ann", 2),
        ("+Ann", 3),
        ("-Cid", 2),
        ("+Eve", None),
        ("-Dan", None),
        ("-Ann", None),
        ("-Eve", None),
        ("server_stopped Minecraft", None),
    ]


@pytest.mark.slow
async def test_what_is_read_silently_is_bounded(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, BEGINS + joined("Ann"))
    with log.open("r+b") as file:
        file.seek(40_000_000)
        file.write(b"\n")

    append(log, joined("Bob"))
    async with evening() as server:
        append(log, left("Ann", "Bob"))
        await server.settle()

        assert server.seen == ["-Bob"]
