from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith("_VERSION") or name in ("ZSH", "ZSH_CUSTOM", "XDG_DATA_HOME"):
            monkeypatch.delenv(name)

    return tmp_path


@pytest.mark.slow
def test_the_script_is_written_to_where_the_shell_looks_for_it(
    command: Command, home: Path
) -> None:
    code, output = command("--install-completion", "--shell", "bash")
    assert code == 0
    script = home / ".local/share/bash-completion/completions/lanrage-events"
    assert output == (
        f"wrote the completion script of bash to {script}\n"
        "the start-up file of bash loads it\n"
        "open a new terminal, and press Tab after 'lanrage-events '\n"
    )
    assert str(script) in (home / ".bashrc").read_text("utf-8")
    once = (home / ".bashrc").read_text("utf-8")
    assert command("--install-completion", "--shell", "bash")[0] == 0
    assert (home / ".bashrc").read_text("utf-8") == once


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rel", {"reload"}),
        ("preview --inv", {"--invite-url"}),
        ("run --backend t", {"trio"}),
        ("outbox re", {"retry"}),
    ],
)
def test_bash_completes_our_commands_and_those_of_plugins(
    command: Command, words: str, expected: set[str]
) -> None:
    command("--install-completion", "--shell", "bash", "--output", "script")
    split = ["lanrage-events", *words.split()]
    quoted = " ".join(f"'{word}'" for word in split)
    code = (
        f"source ./script\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(split) - 1}\n"
        'function=$(complete -p lanrage-events | sed "s/.*-F \\([^ ]*\\).*/\\1/")\n'
        '$function\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert {word.strip() for word in done.stdout.splitlines()} == expected, done.stderr


@pytest.mark.slow
def test_with_a_file_of_its_own_no_start_up_file_is_changed(command: Command, home: Path) -> None:
    code, output = command("--install-completion", "--shell", "zsh", "--output", "script")
    assert code == 0
    assert "start-up" not in output
    assert [path.name for path in home.iterdir()] == ["script"]


def test_a_script_that_cannot_be_written_is_reported(command: Command) -> None:
    Path("file").touch()
    code, output = command("--install-completion", "--shell", "fish", "--output", "file/script")
    assert code == 1
    assert output.startswith("lanrage-events: cannot write ")
    assert output.count("\n") == 1


def test_a_shell_that_is_not_known_must_be_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/bin/other")
    monkeypatch.setenv("PATH", "")  # so the parent process is not asked for
    assert command("--install-completion") == (
        2,
        "lanrage-events: the shell is not known: name it, as in --shell bash\n",
    )
