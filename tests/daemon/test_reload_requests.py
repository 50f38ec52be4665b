"""SIGHUP and watching: signals and files, so real time."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ObjectReceiveStream

from lanrage_events._daemon import Signals, check, reload_requests

pytestmark = pytest.mark.real_clock


Requests = AbstractAsyncContextManager[ObjectReceiveStream[str]]


def requests_for(file: Path, watch: bool) -> Requests:
    file.write_text(f"watch: {str(watch).lower()}\nplugins:\n  log: {{}}\n", encoding="utf-8")

    async def wait_signal() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    check(file).draft.config()
    return reload_requests(wait_signal, file if watch else None)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
async def test_sighup_asks_for_a_reload() -> None:
    with Signals() as signals:
        async with reload_requests(signals.wait_reload) as requests:
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGHUP)
            with anyio.fail_after(10):
                assert await requests.receive() == "SIGHUP"


async def test_what_comes_while_a_reload_is_requested_is_part_of_it() -> None:
    reasons = iter(["SIGHUP", "SIGHUP", "SIGHUP"])

    async def wait_signal() -> str:
        await anyio.lowlevel.checkpoint()
        reason = next(reasons, None)
        if reason is None:
            await anyio.sleep_forever()

        return str(reason)

    async with reload_requests(wait_signal) as requests:
        await anyio.wait_all_tasks_blocked()
        assert await requests.receive() == "SIGHUP"
        with anyio.move_on_after(0.05) as scope:
            await requests.receive()

        assert scope.cancelled_caught


async def test_a_folder_that_cannot_be_watched_leaves_the_signal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "gone" / "lanrage.yaml"
    file.parent.mkdir()
    file.write_text("watch: true\nplugins:\n  log: {}\n", encoding="utf-8")
    file.unlink()
    file.parent.rmdir()
    hangup, logged = anyio.Event(), anyio.Event()

    class Notice(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.set()

    logging.getLogger("lanrage_events").addHandler(handler := Notice())
    request.addfinalizer(lambda: logging.getLogger("lanrage_events").removeHandler(handler))

    async def wait_signal() -> str:
        await hangup.wait()
        return "SIGHUP"

    with anyio.fail_after(10):
        async with reload_requests(wait_signal, file) as requests:
            await logged.wait()
            assert "not watched any more, so reload them with SIGHUP" in caplog.text
            hangup.set()
            assert await requests.receive() == "SIGHUP"


@pytest.mark.slow
async def test_change_of_the_file_asks_for_a_reload_if_it_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    async with requests_for(file, watch=True) as requests, anyio.create_task_group() as tasks:

        async def change() -> None:
            # Watching begins at some moment, so one change might come too early.
            for number in range(1000):
                new = tmp_path / "new"
                new.write_text(f"plugins: {{}} # {number}", encoding="utf-8")
                os.replace(new, file)
                await anyio.sleep(0.1)

        tasks.start_soon(change)
        with anyio.fail_after(30):
            assert await requests.receive() == f"a change of {file}"

        tasks.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("before", ["the file", "its folder", "the template folder"])
@pytest.mark.parametrize("name", ["discord/event.yaml", "words.yaml"])
async def test_a_change_of_a_template_asks_for_a_reload(
    tmp_path: Path, before: str, name: str
) -> None:
    """Whatever of its path exists when watching begins."""
    file, words = tmp_path / "lanrage.yaml", tmp_path / "words"
    template = words / name
    existing = {"the file": template, "its folder": template.parent, "the template folder": words}
    for folder in (existing[before] if before != "the file" else template.parent,):
        folder.mkdir(parents=True)

    if before == "the file":
        template.touch()

    file.touch()
    folders = (words,)

    async def wait_signal() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async with (
        reload_requests(wait_signal, file, lambda: folders) as requests,
        anyio.create_task_group() as tasks,
    ):

        async def change() -> None:
            template.parent.mkdir(exist_ok=True)
            (template.parent / "notes.txt").touch()
            (tmp_path / "other.yaml").touch()
            for number in range(1000):
                template.write_text(f"title: '{number}'", encoding="utf-8")
                await anyio.sleep(0.1)

        tasks.start_soon(change)
        with anyio.fail_after(30):
            while (reason := await requests.receive()) != f"a change of {template}":
                assert "notes" not in reason
                assert "other" not in reason

        tasks.cancel_scope.cancel()


@pytest.mark.slow
async def test_template_folders_that_change_or_appear_are_watched(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    file.touch()
    folders: tuple[Path, ...] = ()

    async def wait_signal() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async with reload_requests(wait_signal, file, lambda: folders) as requests:
        with anyio.fail_after(30):
            await anyio.wait_all_tasks_blocked()
            folders = (tmp_path / "far" / "words",)
            assert await requests.receive() == "a change of the folders of templates or plugins"
            (tmp_path / "far" / "words" / "discord").mkdir(parents=True)
            assert await requests.receive() == f"a change of {tmp_path / 'far'}"
            assert await requests.receive() == "a change of the folders of templates or plugins"
            (tmp_path / "far" / "words" / "discord" / "event.yaml").touch()
            event = tmp_path / "far" / "words" / "discord" / "event.yaml"
            assert await requests.receive() == f"a change of {event}"


@pytest.mark.slow
async def test_a_change_of_a_single_file_plugin_asks_for_a_reload(tmp_path: Path) -> None:
    file, plugin = tmp_path / "lanrage.yaml", tmp_path / "plugins" / "greeter.py"
    plugin.parent.mkdir()
    file.touch()

    async def wait_signal() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async with (
        reload_requests(wait_signal, file, lambda: [plugin.parent]) as requests,
        anyio.create_task_group() as tasks,
    ):

        async def change() -> None:
            for number in range(1000):
                (plugin.parent / "notes.txt").touch()
                plugin.write_text(f"# {number}", encoding="utf-8")
                await anyio.sleep(0.1)

        tasks.start_soon(change)
        with anyio.fail_after(30):
            assert await requests.receive() == f"a change of {plugin}"

        tasks.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_change_of_a_template_asks_once(tmp_path: Path) -> None:
    file, template = tmp_path / "lanrage.yaml", tmp_path / "words" / "discord" / "event.yaml"
    template.parent.mkdir(parents=True)
    file.touch()

    async def wait_signal() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    def folders() -> tuple[Path, ...]:
        # As after each change of a template.
        return (tmp_path / "words",)

    async with reload_requests(wait_signal, file, folders) as requests:
        with anyio.fail_after(30):
            reason = ""
            while not reason:
                # Watching begins at some moment, so one change might come too early.
                template.touch()
                with anyio.move_on_after(0.1):
                    reason = await requests.receive()

            for number in range(4):
                assert reason == f"a change of {template}"
                template.write_text(f"title: '{number}'", encoding="utf-8")
                reason = await requests.receive()


@pytest.mark.slow
async def test_a_template_folder_that_is_a_link_to_itself_stops_no_watching(tmp_path: Path) -> None:
    file, folders = tmp_path / "lanrage.yaml", (tmp_path / "loop",)
    folders[0].symlink_to("loop")

    async def wait_signal() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async with reload_requests(wait_signal, file, lambda: folders) as requests:
        with anyio.fail_after(30):
            reason = ""
            while not reason:
                file.touch()
                with anyio.move_on_after(0.1):
                    reason = await requests.receive()

    assert reason == f"a change of {file}"
