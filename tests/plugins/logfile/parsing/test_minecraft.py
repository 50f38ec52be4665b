"""The preset ``minecraft`` on real logs, counted here without any of its expressions.

``minecraft.txt`` has what matters of the logs of servers of many kinds and ages, with other names,
addresses, ids and places. On the 1,882 whole logs of 30 public servers it finds 8,471 of 8,471 joins.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lanrage_events import Event
from lanrage_events.events import EventRegistry
from lanrage_events_logfile import FileConfig
from lanrage_events_logfile._parsing import Roster, Translator, Written

SAMPLES = {
    section.partition("\n")[0]: section.partition("\n")[2].strip().splitlines()
    for section in Path(__file__).with_name("minecraft.txt").read_text("utf-8").split("# ")[1:]
}
LOGIN = "[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)"
HEAD = "[20:15:00] [Server thread/INFO]: "


def read(lines: list[str], written: Written | None = None) -> list[Event]:
    config = FileConfig(path=Path("latest.log"), preset="minecraft")
    translator, roster = Translator(config, EventRegistry()), Roster()
    if written is not None:
        translator.look_at(written)

    found = [translator.translate(line, roster, "1") for line in lines]
    assert [one.problems for one in found if one.problems] == []
    return [event for one in found for event in one.events]


def short(event: Event) -> str:
    names = {"peer_joined": "+", "peer_left": "-", "server_started": "up", "server_stopped": "down"}
    return names[event.type] + str(getattr(event, "peer_name", ""))


def truth(lines: list[str]) -> Iterator[str]:
    """Yield what happened, by words alone."""
    here: list[str] = []
    is_up: bool | None = None
    for line in lines:
        text = line.split("]: " if "]: " in line else "[INFO] ", 1)[1]
        who, _, rest = text.partition(" lost connection: ")
        name, _, login = text.partition("[")
        if " logged in with entity id " in login and not login.startswith("local]"):
            if name not in here:
                here.append(name)
                yield f"+{name}"

            is_up = True
        elif rest and who in here:
            here.remove(who)
            yield f"-{who}"
        elif text.startswith("Done (") and " For help" in text:
            is_up = True
            yield "up"
        elif text.startswith(("Stopping server", "This crash report")):
            yield from (f"-{name}" for name in here)
            here.clear()
            if is_up is not False:
                yield "down"

            is_up = False
        elif text.startswith("Starting "):
            yield from (f"-{name}" for name in here)
            here.clear()
            is_up = is_up and None


@pytest.mark.parametrize("name", SAMPLES)
def test_a_log_of_each_kind_of_server_gives_what_happened(name: str) -> None:
    expected = list(truth(SAMPLES[name]))

    assert [short(event) for event in read(SAMPLES[name])] == expected
    assert "+" in {event[0] for event in expected}


def test_the_samples_have_what_servers_differ_in() -> None:
    text = "\n".join(line for lines in SAMPLES.values() for line in lines)

    assert len(SAMPLES) >= 16
    for form in (
        "[local] logged in",
        "[local:E:",
        "/[::1]:",
        "Server Shutdown Thread",
        "[INFO] ",
        "2月2025",
    ):
        assert form in text


@pytest.mark.parametrize(
    "line",
    [
        "[20:15:00] [Async Chat Thread - #2/INFO]: {}",
        "[20:15:00] [Craft Scheduler Thread - 3/INFO]: {}",
        "[20:15:00] [Netty Server IO #1/INFO]: {}",
        HEAD + "<Eve> {}",
        HEAD + "[Not Secure] <Eve> {}",
        HEAD + "Eve: {}",
        HEAD + "[G] Eve: {}",
        HEAD + "* Eve {}",
        HEAD + "Eve issued server command: /me {}",
        "[20:15:00 INFO]: <Eve> {}",
        "2013-06-01 20:15:00 [INFO] <Eve> {}",
        "2013-06-01 20:15:00 [INFO] <Eve> 20:15:00 [INFO] {}",
        "Eve " + HEAD + "{}",
    ],
)
def test_chat_is_no_event(line: str) -> None:
    said = [
        f"Bob{LOGIN}",
        "Ann lost connection: x",
        "Stopping server",
        'Done (1s)! For help, type "help"',
    ]
    lines = [f"{HEAD}Ann{LOGIN}", *(line.format(text) for text in said)]

    assert [short(event) for event in read(lines)] == ["+Ann"]


@pytest.mark.parametrize(
    ("head", "stops"),
    [
        (HEAD, True),
        ("[20:15:00] [Server Shutdown Thread/INFO]: ", True),
        ("[20:15:00] [Thread-0/INFO]: ", True),
        ("[20:15:00] [Region Shutdown Thread/INFO]: ", True),
        ("[29May2025 20:15:00.123] [Server thread/INFO] [minecraft/MinecraftServer]: ", True),
        ("[20:15:00 INFO]: ", True),
        ("2013-06-01 20:15:00 [INFO] ", True),
        ("[20:15:00] [Async Chat Thread - #0/INFO]: ", False),
    ],
)
def test_a_server_stops_on_any_of_its_threads(head: str, stops: bool) -> None:
    assert [short(event) for event in read([head + "Stopping server"])] == ["down"] * stops


@pytest.mark.parametrize(
    ("login", "joins"),
    [
        ("Ann[/10.0.0.1:1]", True),
        ("Ann[IP hidden]", True),
        (".Ann[/[0:0:0:0:0:0:0:1]:50000]", True),
        ("Ann[localhost/127.0.0.1:1]", True),
        ("Ann[local:E:12ab]", True),
        ("Alex[local]", False),
        ("[Server][/10.0.0.1:1]", False),
        ("Ann Bee[/10.0.0.1:1]", False),
    ],
)
def test_who_logs_in_joins_but_for_fake_players(login: str, joins: bool) -> None:
    line = f"{HEAD}{login} logged in with entity id 1 at ([world]0.5, 64.0, -1.0E-4)"

    assert [event.type for event in read([line])] == ["peer_joined"] * joins


def test_a_failed_login_is_no_leave() -> None:
    assert read([f"{HEAD}Ann lost connection: You are not whitelisted"]) == []


def times(
    lines: list[str], name: str, modified: datetime, last: list[str] | None = None
) -> list[str]:
    written = Written(name, modified, lines if last is None else last)
    return [event.time.astimezone().strftime("%m-%d %H:%M:%S") for event in read(lines, written)]


def login(stamp: str) -> str:
    name = "".join(filter(str.isalnum, stamp))
    return f"[{stamp}] [Server thread/INFO]: {name}{LOGIN}"


NOW = datetime(2025, 6, 10, 0, 30).astimezone()
COPIED = NOW + timedelta(minutes=7)


def test_a_clock_takes_the_date_from_when_the_file_was_written() -> None:
    lines = [login("23:59:58"), login("00:29:00"), login("00:30:00")]

    assert times(lines, "latest.log", NOW) == ["06-09 23:59:58", "06-10 00:29:00", "06-10 00:30:00"]


def test_a_clock_takes_the_date_from_the_name_of_a_file_that_was_put_away() -> None:
    lines = [login("00:00:01"), login("23:59:58")]

    assert times(lines, "2024-02-29-3.log.gz", NOW, []) == ["02-29 00:00:01", "02-29 23:59:58"]
    assert times(lines, "2024-02-29-3.log", COPIED) == ["02-29 00:00:01", "02-29 23:59:58"]
    assert times(lines, "2024-99-99-3.log.gz", NOW, []) == ["06-10 00:00:01", "06-09 23:59:58"]


@pytest.mark.parametrize("hours", [-9, -5, -1, 2, 5.5, 9])
def test_a_server_may_be_in_another_time_zone(hours: float) -> None:
    moments = [NOW - timedelta(minutes=90), NOW - timedelta(seconds=2)]
    there = [moment + timedelta(hours=hours) for moment in moments]
    lines = [login(moment.strftime("%H:%M:%S")) for moment in there]
    dated = [login(moment.strftime("%d%b%Y %H:%M:%S.123")) for moment in there]

    # A name with a date is not believed where the file says more.
    for kind, name in ((lines, "latest.log"), (dated, "latest.log"), (lines, "2024-02-29.log")):
        assert times(kind, name, NOW) == ["06-09 23:00:00", "06-10 00:29:58"]


def test_a_line_with_a_date_has_its_time() -> None:
    lines = [login("29May2025 11:38:22.740"), f"2013-06-01 20:15:00 [INFO] Bob{LOGIN}"]
    assert [event.time for event in read(lines)] == [
        datetime(2025, 5, 29, 11, 38, 22).astimezone(UTC),
        datetime(2013, 6, 1, 20, 15).astimezone(UTC),
    ]
    # A month in another language: the day is that of the file.
    assert times([login("0910月2025 20:15:00.1")], "latest.log", COPIED) == ["06-09 20:15:00"]
