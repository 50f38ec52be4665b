"""Forgetting: a person is removed from plugins and outboxes, and nothing of it stays in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import EventBus, LanrageEventsError, PeerJoined, StateInUse, hookimpl
from lanrage_events._rules import HidingKey
from lanrage_events.abc import Bus, Person
from lanrage_events.delivery import Delivery, Entry, Item, Outcome
from lanrage_events.forgetting import ForgetReport, Forgotten, find_traces, forget
from lanrage_events.outbox import Outbox, OutboxItem


def plugin_with(**hooks: Callable[..., object]) -> object:
    marked = {name: hookimpl(function) for name, function in hooks.items()}
    return type("Plugin", (), marked)()


def bus_with(state_folder: Path | None = None, **plugins: object) -> EventBus:
    bus = EventBus(state_folder=state_folder)
    for name, plugin in plugins.items():
        bus.register(plugin, name)

    return bus


# Plugins


async def test_each_plugin_removes_what_it_keeps() -> None:
    scores = {"ANN": 3, "Bob": 2, "76561": 1}

    def forget_scores(self: object, person: Person) -> dict[str, int]:
        named = [name for name in scores if person.is_called(name)]
        for name in named:
            del scores[name]

        return {"scores": len(named), "games": 0}

    async def forget_later(self: object, person: Person, bus: Bus) -> dict[str, int]:
        await anyio.sleep(5)
        return {"seats": len(bus.plugins)}

    bus = bus_with(
        arena=plugin_with(forget=forget_scores),
        hall=plugin_with(forget=forget_later),
        bingo=plugin_with(peer_joined=lambda self, event: None),
        mail=plugin_with(outbox=lambda self: None),
        record=plugin_with(written_files=lambda self: []),
    )
    expected = [
        Forgotten("plugin 'arena'", {"scores": 1}),
        Forgotten("plugin 'hall'", {"seats": 5}),
    ]
    assert await forget(bus, "ann") == ForgetReport(expected, ["bingo"])
    assert scores == {"Bob": 2, "76561": 1}
    async with bus:
        assert (await forget(bus, "76561")).found == expected

    assert scores == {"Bob": 2}


@pytest.mark.parametrize(("seconds", "problems"), [(1, []), (40, ["published events"])])
async def test_what_was_published_before_is_forgotten_too(
    seconds: float, problems: list[str]
) -> None:
    seen: list[str] = []

    async def keep(self: object, event: PeerJoined) -> None:
        await anyio.sleep(seconds)
        seen.append(event.peer_name)

    def forget_seen(self: object, person: Person) -> dict[str, int]:
        count = len(seen)
        seen[:] = [name for name in seen if not person.is_called(name)]
        return {"players": count - len(seen)}

    async with bus_with(arena=plugin_with(peer_joined=keep, forget=forget_seen)) as bus:
        for name in ("Ann", "Bob"):
            await bus.publish(PeerJoined(peer_name=name, party_name="Red"))

        report = await forget(bus, "Ann")
        assert [one.place for one in report.found if one.problem] == problems
        assert seen == ([] if problems else ["Bob"])


def wrong(self: object) -> Any:
    return ["Ann"]


def negative(self: object) -> Any:
    return {"x": -1}


def broken(self: object) -> Any:
    raise OSError("disk full")


async def endless(self: object) -> Any:
    await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        (
            wrong,
            "hook 'forget' failed: WrongAnswer: hook 'forget' must return a mapping from texts",
        ),
        (negative, "hook 'forget' failed: WrongAnswer: hook 'forget' must return a mapping from"),
        (broken, "hook 'forget' failed: OSError: disk full"),
        (endless, "has not ended within 60 seconds"),
    ],
)
async def test_a_plugin_that_fails_does_not_keep_the_others_from_it(
    hook: Callable[..., object], problem: str
) -> None:
    bus = bus_with(
        odd=plugin_with(forget=hook), arena=plugin_with(forget=lambda self: {"scores": 1})
    )
    odd, arena = (await forget(bus, "Ann")).found
    assert odd.place == "plugin 'odd'"
    assert odd.problem.startswith(problem)
    assert arena.removed == {"scores": 1}


@pytest.mark.parametrize("name", ["", " ", "*", " ** ", "\u200b"])
async def test_no_one_is_everyone(name: str) -> None:
    with pytest.raises(ValueError, match="expected the name or the id of a person"):
        await forget(EventBus(), name)


async def test_whoever_rules_hid_is_forgotten_by_the_pseudonym(tmp_path: Path) -> None:
    seen: list[Person] = []

    def forget_scores(self: object, person: Person) -> dict[str, int]:
        seen.append(person)
        return {}

    bus = bus_with(tmp_path, arena=plugin_with(forget=forget_scores))
    await forget(bus, "Ann")
    key = HidingKey(tmp_path)
    names = [key.pseudonym("ANN"), key.opaque_name("ann"), key.opaque_id("Ann")]
    await forget(bus, "Ann")
    before, after = seen
    assert [before.is_called(name) for name in ("aNN", *names)] == [True, False, False, False]
    assert [after.is_called(name) for name in ("aNN", *names)] == [True, True, True, True]


# Outboxes


class Mail:
    """A plugin that delivers nothing."""

    durable = True

    def __init__(self) -> None:
        self.delivery = Delivery(self._send)

    async def _send(self, entries: Sequence[Entry]) -> Outcome:
        return Outcome.retry("no network")

    @hookimpl
    def lifespan(self, bus: Bus) -> Any:
        return self.delivery.running(bus, self)

    @hookimpl
    def outbox(self) -> Any:
        return self.delivery.outbox


def joined(name: str, **fields: Any) -> Item:
    return Item(PeerJoined(peer_name=name, party_name="LAN", **fields))


TEXTS = [
    json.dumps({"embed": {"title": r"**Ann\_K** joined"}}),
    json.dumps({"players": ["Bob", "ann_k"]}),
    json.dumps({"ann_k": 3}),
    "Ann_K, in no JSON",
    json.dumps({"title": "Hannah_K joined"}),
    json.dumps({"title": "Bob"}),
]


async def fill(path: Path) -> None:
    async with Outbox(path) as outbox:
        ids = await outbox.put_many(OutboxItem("lane", text) for text in (*TEXTS, *TEXTS, *TEXTS))
        await outbox.acknowledge(ids[:6])
        await outbox.dead_letter(ids[6:12], "rejected", "Ann_K is too long")
        await outbox.dead_letter(ids[12:13], "rejected")


def raw(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_an_outbox_of_a_plugin_that_does_not_run_is_searched(tmp_path: Path) -> None:
    await fill(tmp_path / "mail.outbox")
    assert b"Ann" in raw(tmp_path)

    report = await forget(EventBus(state_folder=tmp_path), "Ann_K")
    removed = {"waiting entries dropped": 3, "dead letters dropped": 7}
    assert report == ForgetReport([Forgotten("outbox 'mail'", removed)], [])
    assert b"ann_k" not in raw(tmp_path).lower().replace(b"hannah_k", b"").replace(b"\\", b"")
    async with Outbox(tmp_path / "mail.outbox") as outbox:
        assert [entry.body for entry in await outbox.pending()] == TEXTS[4:]


async def test_a_running_plugin_goes_on_with_the_others(tmp_path: Path) -> None:
    plugin = Mail()
    bus = bus_with(tmp_path, mail=plugin)
    async with bus:
        await plugin.delivery.put_many([joined("Ann"), joined("Bob"), joined("x", peer_id="765")])
        [found] = (await forget(bus, "ann")).found
        assert found == Forgotten("outbox 'mail'", {"waiting entries dropped": 1})
        assert (await forget(bus, "765")).found == [found]
        assert b"Ann" not in raw(tmp_path)
        await plugin.delivery.put_many([joined("Cid")])
        assert plugin.delivery.outbox is not None
        left = await plugin.delivery.outbox.pending()
        assert [json.loads(entry.body)["peer_name"] for entry in left] == ["Bob", "Cid"]
        bus.plugins.drain_timeout = 0


async def test_an_outbox_in_memory_is_searched_too() -> None:
    plugin = Mail()
    bus = bus_with(None, mail=plugin)
    async with bus:
        await plugin.delivery.put_many([joined("Ann"), joined("Bob")])
        [found] = (await forget(bus, "ann")).found
        assert found == Forgotten("outbox 'mail'", {"waiting entries dropped": 1})
        bus.plugins.drain_timeout = 0


async def test_a_file_that_is_no_outbox_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "odd.outbox").write_text("Ann" * 1000)
    [found] = (await forget(EventBus(state_folder=tmp_path), "Ann")).found
    assert found.place == "outbox 'odd'"
    assert "is not a database" in found.problem or "not an outbox" in found.problem


# Other processes

HOLD = "import sys; from lanrage_events._file_lock import FileLock; from pathlib import Path; "
HOLD += "lock = FileLock(Path(sys.argv[1])); lock.write({'pid': 4242}); print(flush=True); sys.stdin.read()"


@pytest.mark.slow
@pytest.mark.real_clock
async def test_files_that_another_process_uses_stay_as_they_are(tmp_path: Path) -> None:
    await fill(tmp_path / "mail.outbox")
    called: list[str] = []
    bus = bus_with(tmp_path, arena=plugin_with(forget=lambda self: called.append("x")))
    lock = tmp_path / "daemon-lan.lock"
    async with await anyio.open_process([sys.executable, "-c", HOLD, str(lock)]) as process:
        assert process.stdin
        assert process.stdout
        await process.stdout.receive()
        with pytest.raises(StateInUse, match="process 4242 uses the state folder") as caught:
            await forget(bus, "Ann_K")

        await process.stdin.aclose()

    assert isinstance(caught.value, LanrageEventsError)
    assert (caught.value.pid, caught.value.folder, called) == (4242, tmp_path, [])
    assert b"Ann_K" in raw(tmp_path)
    assert (await forget(bus, "Ann_K")).found


# Traces


def test_files_that_still_have_the_name_are_found(tmp_path: Path) -> None:
    state, record = tmp_path / "state", tmp_path / "events.log"
    (state / "maps").mkdir(parents=True)
    files = {
        "a.json": json.dumps({"name": "ZOË"}),
        "b.json": json.dumps({"name": "Zoë"}, ensure_ascii=False),
        "maps/c.bin": "x" * 1_048_575 + "\0zoë\0",
        "d.txt": "Zoëy and azoë",
        "e.lock": "Zoë",
    }
    for name, text in files.items():
        (state / name).write_text(text, "utf-8")

    record.write_text("Zoë joined", "utf-8")
    (state / "link").symlink_to(record)
    found = find_traces("zoë", state, [record, tmp_path / "gone"])
    assert found == [state / "a.json", state / "b.json", state / "maps/c.bin", record]
    assert find_traces("zo*", state) == []
    assert find_traces("zoë", None) == []
