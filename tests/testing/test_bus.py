from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from inspect import signature
from pathlib import Path

import anyio
import pytest

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    EventNotTransformed,
    HookTimeout,
    PeerJoined,
    PeerLeft,
    PluginError,
    PluginStartError,
    hookimpl,
    testing,
)
from lanrage_events.abc import Bus
from lanrage_events.templates import TemplateError, TemplateLeaf, Templates
from lanrage_events.testing import (
    CheckedBus,
    RecordingPlugin,
    VirtualTimeEventLoop,
    assert_delivered,
    sample,
    samples,
    virtual_time,
)

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
PUBLIC = [
    name
    for name in dir(testing)
    if not name.startswith("_") and name not in ("TYPE_CHECKING", "annotations")
]


async def run(use: Callable[[CheckedBus], Awaitable[None]], bus: CheckedBus | None = None) -> None:
    """Let a test within a test use a bus."""
    async with bus or CheckedBus() as running_bus:
        await use(running_bus)


class Broken:
    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        raise LookupError(f"nobody knows {event.peer_name}")


# Virtual time


async def test_an_hour_passes_at_once() -> None:
    began = anyio.current_time()
    await anyio.sleep(3600)
    assert anyio.current_time() - began == pytest.approx(3600)


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as tasks:
        for seconds in (30, 0.001, 7200, 2):
            tasks.start_soon(sleep, seconds)

    assert woken == [0.001, 2, 30, 7200]


async def test_a_deadline_is_met_in_virtual_time() -> None:
    with anyio.move_on_after(60) as scope:
        await anyio.sleep_forever()

    assert scope.cancelled_caught


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_virtual_time_is_for_programs_without_pytest_too(backend: str) -> None:
    async def main() -> float:
        await anyio.sleep(86_400)
        return anyio.current_time()

    name, options = virtual_time(backend)  # type: ignore[arg-type]
    assert name == backend
    assert anyio.run(main, backend=name, backend_options=options) >= 86_400


def test_the_clock_of_asyncio_starts_at_0() -> None:
    loop = VirtualTimeEventLoop()
    try:
        assert loop.time() == 0
    finally:
        loop.close()


# The bus


async def test_a_bus_without_errors_is_left_in_peace(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    await bus.publish(sample(PeerJoined))
    await bus.drain()
    assert bus.errors == ()
    assert len(recorder.handled) == 1


async def test_a_hook_that_raises_fails_the_test_that_did_not_expect_it() -> None:
    async def use(bus: CheckedBus) -> None:
        bus.register(Broken(), "broken")
        await bus.publish(sample(PeerJoined, peer_name="Ann"))

    with pytest.raises(AssertionError) as caught:
        await run(use)

    lines = str(caught.value).splitlines()
    assert lines[0] == "something went wrong on the bus:"
    assert lines[1].startswith(
        "  plugin 'broken': hook 'peer_joined' failed on PeerJoined(peer_name='Ann', "
        "party_name='Friday LAN'): LookupError: nobody knows Ann (test_bus.py:"
    )
    assert "async with bus.expecting(LookupError):" in lines[2]


async def test_every_failure_is_reported_and_not_only_the_first_of_those_alike(
    bus: CheckedBus,
) -> None:
    bus.register(Broken(), "broken")
    async with bus.expecting(LookupError) as failures:
        for event in samples(PeerJoined, 5):
            await bus.publish(event)

    assert [str(error.error) for error in failures] == [
        f"nobody knows {name}" for name in ("Ann", "Ben", "Cy", "Dee", "Eli")
    ]
    assert failures[0].plugin == "broken"


async def test_what_is_expected_can_be_narrowed_and_the_rest_still_fails() -> None:
    async def use(bus: CheckedBus) -> None:
        bus.register(Broken(), "broken")
        async with bus.expecting(LookupError, match="knows Ann", plugin="broken") as failures:
            for event in samples(PeerJoined, 2):
                await bus.publish(event)

        assert len(failures) == 1
        assert [str(error.error) for error in bus.errors] == ["nobody knows Ben"]

    with pytest.raises(AssertionError, match="nobody knows Ben") as caught:
        await run(use)

    assert "nobody knows Ann" not in str(caught.value)


@pytest.mark.parametrize("options", [{"match": "never said"}, {"plugin": "other"}])
async def test_an_error_that_does_not_come_fails_and_shows_what_came_instead(
    options: dict[str, str],
) -> None:
    async def use(bus: CheckedBus) -> None:
        bus.register(Broken())
        async with bus.expecting(LookupError, **options):
            await bus.publish(sample(PeerJoined))

    with pytest.raises(AssertionError, match="but this went wrong") as caught:
        await run(use)

    assert "nobody knows Ann" in str(caught.value)


async def test_what_went_wrong_before_is_not_what_is_expected_now() -> None:
    async def use(bus: CheckedBus) -> None:
        bus.register(Broken())
        await bus.publish(sample(PeerJoined))
        await bus.drain()
        async with bus.expecting(LookupError):
            pass

    with pytest.raises(AssertionError, match="expected LookupError, but nothing went wrong"):
        await run(use)


async def test_expecting_what_does_not_happen_fails(bus: CheckedBus) -> None:
    message = "expected OSError or LookupError of plugin 'x', but nothing went wrong"
    with pytest.raises(AssertionError, match=message):
        async with bus.expecting((OSError, LookupError), plugin="x"):
            pass


async def test_an_error_of_the_test_is_not_hidden_by_what_it_expected(bus: CheckedBus) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bus.expecting():
            raise ZeroDivisionError


async def test_what_publish_and_wait_raises_is_not_reported_again(bus: CheckedBus) -> None:
    bus.register(Broken())
    for _ in range(3):
        with pytest.raises(ExceptionGroup, match="was not handled"):
            await bus.publish_and_wait(sample(PeerJoined))


async def test_what_publish_many_and_wait_returns_is_not_reported_again(bus: CheckedBus) -> None:
    bus.register(Broken())
    errors = await bus.publish_many_and_wait(samples(PeerJoined, 2))
    assert [type(error) for error in errors] == [ExceptionGroup, ExceptionGroup]


async def test_what_publish_and_wait_raised_can_be_expected_as_well(bus: CheckedBus) -> None:
    bus.register(Broken())
    async with bus.expecting(LookupError):
        with pytest.raises(ExceptionGroup):
            await bus.publish_and_wait(sample(PeerJoined))


async def test_a_dropped_event_fails_the_test() -> None:
    async def use(bus: CheckedBus) -> None:
        recorder = RecordingPlugin(mailbox_size=1)
        bus.register(recorder, "slow")
        with recorder.hang():
            for event in samples(PeerJoined, 2):
                await bus.publish(event)
                await anyio.wait_all_tasks_blocked()

            for event in samples(PeerJoined, 2):
                await bus.publish(event)

    with pytest.raises(AssertionError) as caught:
        await run(use)

    told = [line for line in str(caught.value).splitlines() if "plugin 'slow': dropped" in line]
    assert len(told) == 2
    assert "PeerJoined(peer_name='Ben'" in told[0]
    assert told[0].endswith("its mailbox of 1 is full (drop_oldest)")


async def test_a_drop_that_the_test_knows_of_is_not_reported_again(bus: CheckedBus) -> None:
    recorder = RecordingPlugin(mailbox_size=1, when_full="drop_newest")
    bus.register(recorder)
    with recorder.hang():
        for event in samples(PeerJoined, 2):
            await bus.publish(event)
            await anyio.wait_all_tasks_blocked()

        with pytest.raises(EventDropped):
            await bus.publish_and_wait(sample(PeerJoined))


async def test_a_drop_that_the_test_knows_of_does_not_hide_a_later_one() -> None:
    async def use(bus: CheckedBus) -> None:
        recorder = RecordingPlugin(mailbox_size=1, when_full="drop_newest")
        bus.register(recorder)
        with recorder.hang():
            for event in samples(PeerJoined, 2):
                await bus.publish(event)
                await anyio.wait_all_tasks_blocked()

            with pytest.raises(EventDropped):
                await bus.publish_and_wait(sample(PeerJoined))

            assert bus.errors == ()
            await bus.publish(sample(PeerJoined))

    with pytest.raises(AssertionError, match=r"dropped PeerJoined\(.*: its mailbox of 1 is full"):
        await run(use)


async def test_drops_can_be_expected(bus: CheckedBus) -> None:
    recorder = RecordingPlugin(mailbox_size=2)
    bus.register(recorder)
    async with bus.expecting(EventDropped) as drops:
        for event in samples(PeerJoined, 5):
            bus.publish_nowait(event)

    assert [str(drop.message).partition("'")[2][:3] for drop in drops] == ["Ann", "Ben", "Cy'"]


async def test_a_stream_that_drops_fails_the_test() -> None:
    async def use(bus: CheckedBus) -> None:
        async with bus.stream(PeerJoined, name="ears", mailbox_size=1):
            for event in samples(PeerJoined, 2):
                await bus.publish(event)

    with pytest.raises(AssertionError, match="plugin 'ears': dropped PeerJoined"):
        await run(use)


async def test_events_that_are_not_handled_in_time_fail_the_test() -> None:
    async def use(bus: CheckedBus) -> None:
        recorder = RecordingPlugin()
        bus.register(recorder, "stuck")
        recorder.hang()
        await bus.publish(sample(PeerJoined, peer_name="Ann"))
        await anyio.wait_all_tasks_blocked()
        await bus.publish(sample(PeerLeft, peer_name="Ann"))

    with pytest.raises(AssertionError) as caught:
        await run(use, CheckedBus(drain_timeout=5))

    text = str(caught.value)
    assert "dropped PeerJoined(peer_name='Ann', party_name='Friday LAN'): the plugin ended" in text
    assert "dropped PeerLeft(peer_name='Ann', party_name='Friday LAN'): not handled within" in text
    assert text.count("dropped") == 2


async def test_a_hook_that_runs_too_long_fails_the_test(bus: CheckedBus) -> None:
    recorder = RecordingPlugin(hook_timeout=3)
    bus.register(recorder)
    recorder.hang(times=1)
    async with bus.expecting(HookTimeout, match="cancelled after 3 seconds"):
        await bus.publish(sample(PeerJoined))

    assert len(recorder.events) == 1
    assert recorder.handled == []


async def test_a_plugin_that_dies_and_is_restarted_fails_the_test(bus: CheckedBus) -> None:
    class Mortal(RecordingPlugin):
        lives = 0

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
            self.lives += 1
            if self.lives == 1:
                raise OSError("no disk")

            yield

    plugin = Mortal()
    async with bus.expecting(OSError, match="failed and restarts in 1 seconds: OSError: no disk"):
        bus.register(plugin)
        await bus.publish(sample(PeerJoined))
        await plugin.wait_for(1)

    assert plugin.lives == 2


async def test_a_plugin_that_cannot_start_raises_in_the_test(bus: CheckedBus) -> None:
    class Stillborn:
        @hookimpl
        def lifespan(self, bus: Bus) -> None:
            raise OSError("no disk")

    with pytest.raises(PluginStartError, match="no disk"):
        await bus.plugins.register_and_wait(Stillborn())


async def test_a_plugin_without_hooks_fails_the_test(bus: CheckedBus) -> None:
    class Forgetful:
        def greet(self, event: PeerJoined) -> None:
            pass

    async with bus.expecting(PluginError, match="is @hookimpl missing"):
        bus.register(Forgetful())


async def test_a_handler_that_raises_fails_the_test(bus: CheckedBus) -> None:
    def handle(event: PeerJoined) -> None:
        raise LookupError("here")

    bus.subscribe(PeerJoined, handle, name="mine")
    async with bus.expecting(LookupError, plugin="mine"):
        await bus.publish(sample(PeerJoined))


async def test_events_that_fail_in_a_batch_are_reported_one_by_one(bus: CheckedBus) -> None:
    class Batches:
        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> dict[int, Exception]:
            return {1: LookupError("the second")}

    bus.register(Batches(), "batches")
    async with bus.expecting(LookupError, match="the second") as failures:
        for event in samples(PeerJoined, 3):
            bus.publish_nowait(event)

    assert "'event_batch' failed on PeerJoined(peer_name='Ben'" in str(failures[0])


async def test_an_error_in_a_template_fails_the_test(bus: CheckedBus, tmp_path: Path) -> None:
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "peer_joined.yaml").write_text("text: '{{ peer_nam }}'", "utf-8")
    leaves = {"text": TemplateLeaf()}
    templates = Templates("chat", [tmp_path], leaves)
    async with bus.expecting(TemplateError, match="'peer_nam' is undefined"):
        templates.render(sample(PeerJoined))


async def test_a_bus_that_was_left_listens_to_no_logger() -> None:
    before = list(logging.getLogger("lanrage_events.templates").handlers)
    async with CheckedBus():
        pass

    assert logging.getLogger("lanrage_events.templates").handlers == before


async def test_a_plugin_that_is_replaced_is_watched_too(bus: CheckedBus) -> None:
    await bus.plugins.register_and_wait(RecordingPlugin(), "one")
    await bus.plugins.replace("one", Broken())
    async with bus.expecting(LookupError, plugin="one"):
        await bus.publish(sample(PeerJoined))


async def test_an_error_of_the_test_stays_and_gets_a_note_of_those_on_the_bus() -> None:
    async def use(bus: CheckedBus) -> None:
        bus.register(Broken(), "broken")
        await bus.publish(sample(PeerJoined))
        await bus.drain()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await run(use)

    assert "plugin 'broken'" in caught.value.__notes__[0]


async def test_very_many_errors_are_counted() -> None:
    async def use(bus: CheckedBus) -> None:
        bus.register(Broken())
        for event in samples(PeerJoined, 50):
            await bus.publish(event)

    with pytest.raises(AssertionError, match=r"  … and 30 more\n"):
        await run(use)


def test_a_checked_bus_takes_what_a_bus_takes() -> None:
    assert signature(CheckedBus) == signature(EventBus)


async def test_failures_are_still_logged(bus: CheckedBus, caplog: pytest.LogCaptureFixture) -> None:
    bus.register(Broken(), "broken")
    async with bus.expecting(LookupError):
        await bus.publish(sample(PeerJoined))

    assert "plugin 'broken': hook 'peer_joined' failed" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


# The recording plugin


async def test_a_recorder_keeps_events_in_order(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    joined, left = sample(PeerJoined), sample(PeerLeft)
    for event in (joined, left, joined):
        await bus.publish(event)

    await bus.drain()
    assert recorder.events == recorder.handled == [joined, left, joined]
    assert recorder.of(PeerLeft) == [left]
    assert recorder.of(Event) == recorder.events


async def test_a_recorder_fails_as_often_as_planned(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    recorder.fail(ValueError("no"), on=PeerJoined, times=2)
    async with bus.expecting(ValueError) as failures:
        for event in (sample(PeerLeft), *samples(PeerJoined, 3)):
            await bus.publish(event)

    assert len(failures) == 2
    assert_delivered(recorder.handled, PeerLeft, sample(PeerJoined, peer_name="Cy"))


async def test_a_recorder_fails_until_it_recovers(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    recorder.fail()
    async with bus.expecting(RuntimeError, match="fails as planned"):
        await bus.publish(sample(PeerJoined))

    recorder.recover()
    await bus.publish_and_wait(sample(PeerJoined))


async def test_a_slow_recorder_takes_its_time(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    recorder.slow_down(20, times=2)
    began = anyio.current_time()
    for event in samples(PeerJoined, 3):
        await bus.publish(event)

    await bus.drain()
    assert anyio.current_time() - began == pytest.approx(40)


async def test_a_recorder_hangs_until_the_block_ends(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    with recorder.hang() as fault:
        await bus.publish(sample(PeerJoined))
        await anyio.sleep(5)
        assert recorder.handled == []

    fault.end()
    await bus.drain()
    assert recorder.handled == recorder.events


async def test_a_recorder_can_be_waited_for(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)

    async def publish() -> None:
        for event in (sample(PeerLeft), *samples(PeerJoined, 3)):
            await anyio.sleep(60)
            await bus.publish(event)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        await recorder.wait_for(2, PeerJoined)
        assert len(recorder.events) == 3

    await recorder.wait_for(4)


async def test_waiting_for_what_never_comes_ends_and_says_what_came(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    bus.register(recorder)
    await bus.publish(sample(PeerLeft))
    with pytest.raises(TimeoutError, match=r"^1 PeerLeft came, not 2$"):
        await recorder.wait_for(2, PeerLeft)

    with pytest.raises(
        TimeoutError, match="0 events came, not 1\nthe recording plugin was not reg"
    ):
        await RecordingPlugin().wait_for(1)


async def test_what_a_required_transform_raises_can_be_expected_by_its_class(
    bus: CheckedBus,
) -> None:
    class Filter:
        transform_required = True

        @hookimpl
        def transform(self, event: PeerJoined) -> PeerJoined:
            raise KeyError(event.peer_name)

    bus.register(Filter(), "filter")
    async with bus.expecting(KeyError, plugin="filter") as errors:
        with pytest.raises(EventNotTransformed):
            await bus.publish(sample(PeerJoined, peer_name="Ann"))

    [error] = errors
    assert error.kind is KeyError
    assert "KeyError at test_bus.py:" in error.message
    assert "'Ann'" not in error.message.partition("): ")[2]


async def test_a_recorder_knows_what_is_on_the_way(bus: CheckedBus) -> None:
    recorder = RecordingPlugin()
    assert recorder.pending == 0
    await bus.plugins.register_and_wait(recorder)
    for event in samples(PeerJoined, 2):
        bus.publish_nowait(event)

    assert recorder.pending == 2
    await bus.unregister(recorder)
    assert recorder.pending == 0


async def test_a_durable_recorder_is_waited_for(bus: CheckedBus) -> None:
    recorder = RecordingPlugin(durable=True, when_full="block", mailbox_size=7)
    bus.register(recorder, "recorder")
    await bus.publish_and_wait(sample(PeerJoined), "durable")
    assert len(recorder.handled) == 1
    statistics = bus.statistics().plugins["recorder"]
    assert (statistics.when_full, statistics.size) == ("block", 7)


# The package


def modules_after(statement: str) -> Iterable[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    return result.stdout.split()


@pytest.mark.slow
def test_importing_it_imports_neither_pytest_nor_trio() -> None:
    modules = set(modules_after("import lanrage_events.testing"))
    assert "lanrage_events.testing" in modules
    assert modules.isdisjoint({"pytest", "_pytest", "trio"})


@pytest.mark.slow
def test_a_fixture_without_pytest_says_what_to_install() -> None:
    statement = (
        "sys.modules['pytest'] = None\n"
        "try:\n    from lanrage_events.testing import bus\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    assert "pip install pytest" in " ".join(modules_after(statement))


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'lanrage_events\.testing' has no attribute 'buss'"):
        testing.buss  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_of_testing_shows_where_it_is_imported_from(name: str) -> None:
    value = getattr(testing, name)
    if name not in ("anyio_backend", "bus", "real_time"):
        assert value.__module__ == "lanrage_events.testing"

    assert value.__doc__


async def leave_after(plan: Callable[[RecordingPlugin], object]) -> None:
    recorder = RecordingPlugin()
    async with CheckedBus() as bus:
        bus.register(recorder)
        plan(recorder)
        await bus.publish(sample(PeerJoined))
        await anyio.sleep(100)


async def test_a_hook_that_waits_for_a_thread_hints_at_real_time() -> None:
    with pytest.raises(AssertionError) as caught:
        await leave_after(lambda recorder: recorder.hang(times=1))

    assert "was cancelled after 60 seconds" in str(caught.value)
    assert str(caught.value).endswith("let the test take the fixture 'real_time'.")


async def test_other_errors_hint_at_no_clock() -> None:
    with pytest.raises(AssertionError) as caught:
        await leave_after(lambda recorder: recorder.fail(times=1))

    assert "real_time" not in str(caught.value)
