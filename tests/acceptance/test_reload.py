"""Reloads of the installed daemon, asked for by the installed command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ._daemons import RunningDaemon, run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

FILE = Path("lanrage.yaml")
FOLLOWED = {
    "use": "logfile",
    "path": "game.log",
    "patterns": {"notification": "(?P<title>.*)"},
    "fields": {"notification": {"message": "x"}},
    "poll": "1s",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


def configure(more: dict[str, object] | None = None, **plugins: object) -> None:
    FILE.write_text(json.dumps({**(more or {}), "plugins": plugins}), encoding="utf-8")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def remove(file: Path) -> None:
    file.unlink()


def read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


async def stop(daemon: RunningDaemon) -> None:
    daemon.process.terminate()
    assert await daemon.wait() == 0
    assert "Traceback" not in daemon.log


async def test_the_log_is_not_pointed_at_what_is_read() -> None:
    write(Path("game.log"), "")
    configure(log={"path": "events.jsonl"}, game=FOLLOWED)
    async with running("run") as daemon:
        await daemon.wait_for("ready")
        for path, problem in (
            ("lanrage.yaml", "it writes events to this configuration file: change its path"),
            ("game.log", "the plugin 'log' writes events to it, which would be read again"),
        ):
            configure(log={"path": path}, game=FOLLOWED)
            text = read("lanrage.yaml")
            code, output, errors = await run("reload")
            assert (code, output) == (78, "")
            assert errors.startswith("lanrage.yaml:1:")
            assert problem in errors
            assert errors.endswith("everything continues unchanged\n")
            assert read("lanrage.yaml") == text

        await stop(daemon)

    assert not read("game.log")


async def test_a_broken_template_is_the_answer_until_it_is_right() -> None:
    words = Path("words/discord")
    write(words / "notes.txt", "")
    configure({"templates": ["words"]}, discord=None)
    async with running("run") as daemon:
        await daemon.wait_for("ready")
        for file, text, place in (
            (words / "event.yaml", "title: '{{'", "event.yaml:1: title: "),
            (words.parent / "words.yaml", "hours: [x]", "words.yaml:1:8: hours: "),
        ):
            write(file, text)
            for _ in range(2):
                code, output, errors = await run("reload")
                assert (code, output) == (1, "")
                assert place in errors
                assert "reloaded in part" in errors

            remove(file)
            code, output, _ = await run("reload")
            assert (code, output.startswith("reloaded: templates changed for discord")) == (0, True)

        await stop(daemon)


async def test_without_its_file_it_goes_on_as_it_is() -> None:
    configure(log={"path": "events.jsonl"})
    async with running("run") as daemon:
        await daemon.wait_for("ready, with the plugins log")
        remove(FILE)
        code, output, errors = await run("reload")
        assert (code, output) == (78, "")
        assert errors == (
            "lanrage.yaml: the file does not exist\n"
            "the configuration has errors, so everything continues unchanged\n"
        )
        configure(log={"path": "events.jsonl"})
        assert await run("reload") == (0, "reloaded: no plugin changed\n", "")
        await stop(daemon)
