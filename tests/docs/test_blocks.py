"""Every code block of the documentation is what it claims to be.

What can run without the internet and an end is run: here, or in the test that ``RUN_ELSEWHERE``
names. Configurations go through the loader, commands through the command line's parser, JSON and
TOML through theirs. The rest is listed below, each with its reason.
"""

from __future__ import annotations

import configparser
import json
import re
import runpy
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from blocks import written
from cyclopts import App, CycloptsError

from lanrage_events import EventBus, PeerJoined
from lanrage_events._cli import load_command
from lanrage_events._cli import main as run_command
from lanrage_events._cli import make_app as make_own_app
from lanrage_events._daemon import check as check_config
from lanrage_events._discovery import plugin_commands

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
WEBHOOK_URL = (
    "https://discord.com/api/webhooks/123456789012345678/"
    "made-up-token-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
)
TOKEN = "made-up-token-0123"
PRESENCE = '{client_id: "123456789012345678"}'

# What brings the errors that docs/daemon.md shows.
FAULTY = """\
backend: trio
drain_timeout: 10
plugins:
  discord:
    webhook_url: ${DISCORD_WEBHOOK_URL}
    batch:
      windw: 1s
  lgo: {}
"""

# Blocks that Python can run, and which are run by the tests of their page.
RUN_ELSEWHERE = {
    "README": "docs/test_readme.py",
    "client": "plugins/http/client/test_client_page.py",
    "discord": "plugins/discord/test_markdown.py",
    "embedding": "docs/test_readme.py",
    "hooks": "docs/test_docs.py",
    "outbox": "outbox/test_outbox.py",
    "parties": "parties/test_docs.py",
    "plugin-tutorial": "docs/test_plugin_tutorial.py",
    "presence": "plugins/presence/test_docs.py",
    "testing": "testing/test_page.py",
    "testing-discord": "plugins/discord/testing/test_docs.py",
}
RUN_HERE = {"api", "daemon", "log", "logfile", "rules", "templates"}
# YAML that no test can load here, by a line of it, and why.
OTHER_YAML = {
    "# prometheus.yml": "it is Prometheus's own",
    "services:": "it is Compose's own",
    "  lan-bingo:": "the plugin is the reader's; test_plugin_tutorial.py runs it",
}
# Blocks without a checker, and why.
UNCHECKED = {
    "diff": "applied by test_plugin_tutorial.py",
    "js": "a browser would have to run it; tests/plugins/http/browser follow the same feed",
    "nginx": "it needs nginx",
    "sh": "the commands of the README, read by test_readme.py and run in CI",
    "sql": "run by cli/test_outbox_views.py",
    "text": "output; compared with what a program prints where one stands above it",
}
# Words in a console that are commands of others, or make or need what a test must not touch.
OTHER_COMMANDS = {
    ".": "the shell's own",
    ".venv/bin/pip": "installs from an index; the README's commands are run in CI",
    ".venv/bin/python": "the benchmarks have a smoke test of their own",
    "/tmp/try/bin/lanrage-events": "run in CI, with a wheel",
    "/tmp/try/bin/pip": "run in CI, with a wheel",
    "/opt/lanrage-events/bin/pip": "installs from an index; the README's commands are run in CI",
    "cd": "the shell's own",
    "docker": "needs Docker; .ci/run builds and runs the image where there is one",
    "curl": "needs a daemon; tests/plugins/http send the same requests",
    "echo": "the shell's own",
    "export": "the shell's own",
    "git": "changes a repository",
    "install": "needs root; deploy/test_systemd.py looks at the files",
    "journalctl": "needs systemd",
    "socat": "needs WSL",
    "kill": "the shell's own",
    "mv": "needs root; acceptance/test_backup.py renames a folder, too",
    "my-game-server": "made up",
    "pip": "installs from an index; the README's commands are run in CI",
    "promtool": "run by acceptance/test_monitoring.py",
    "pytest": "run by test_plugin_tutorial.py",
    "python": "run in CI, with a wheel",
    "python3": "the shell's own",
    "scp": "needs another machine",
    "systemctl": "needs systemd",
    "twine": "uploads to an index",
}


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}-{self.kind}"


def blocks() -> Iterator[Block]:
    fence = re.compile(r"^( *)```(\{?[\w-]+\}?)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        for number, match in enumerate(fence.finditer(written(page.read_text("utf-8")))):
            yield Block(page.stem, number, match[2], textwrap.dedent(match[3]))


BLOCKS = tuple(blocks())


def of(kind: str) -> list[Block]:
    return [block for block in BLOCKS if block.kind == kind]


def test_every_kind_of_block_has_a_check_or_a_reason() -> None:
    checked = {"console", "ini", "json", "python", "toml", "yaml"}
    # What begins with a brace is a directive, which Sphinx checks.
    kinds = {block.kind for block in BLOCKS if not block.kind.startswith("{")}
    assert kinds - checked == set(UNCHECKED)


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    data = json.loads(block.text)
    if "type" in data:
        EventBus().events.from_dict(data)


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_is_toml(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", of("ini"), ids=str)
def test_a_unit_runs_a_command_of_ours(block: Block) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # as configparser's page says
    unit.read_string(block.text)
    [words] = re.findall(r"lanrage-events (run[^']*)", unit["Service"]["ExecStart"])
    parse(shlex.split(words))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with whatever the configurations of the pages name."""
    for name in ("DISCORD", "GAMES", "LOBBY", "FORUM", "ADMIN", "MINECRAFT", "TF2"):
        monkeypatch.setenv(f"{name}_WEBHOOK_URL", WEBHOOK_URL)

    monkeypatch.setenv("WEBHOOK_URL", WEBHOOK_URL)
    monkeypatch.setenv("SLACK_URL", "https://hooks.slack.com/services/T/B/made-up")
    monkeypatch.setenv("TELEGRAM_TOKEN", "123456:made-up")
    monkeypatch.setenv("SIGNING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    for name in ("API_KEY", "MATRIX_TOKEN", "HOME_ASSISTANT_TOKEN"):
        monkeypatch.setenv(name, TOKEN)

    monkeypatch.setenv("STAND_IN_HOST", "127.0.0.1:8080")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "discord").write_text(WEBHOOK_URL, "utf-8")
    (tmp_path / "token").write_text(TOKEN, "utf-8")
    for name in ("gamebox", "dashboard", "hall", "prometheus-token"):
        (tmp_path / name).write_text(f"{TOKEN}-{name}", "utf-8")

    (tmp_path / "my-templates" / "discord").mkdir(parents=True)
    (tmp_path / "my-templates" / "discord" / "other.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    for name in ("counter", "crowd", "greeter", "welcome"):
        [text] = [b.text for b in of("python") if f"plugins/{name}.py" in text_around(b)]
        (plugins / f"{name}.py").write_text(text, "utf-8")

    monkeypatch.chdir(tmp_path)
    return tmp_path


def text_around(block: Block) -> str:
    """Return a block with the sentence before it, where the name of a file may stand."""
    page = next(page for page in PAGES if page.stem == block.page)
    before = page.read_text("utf-8").partition(block.text)[0]
    return f"{before[-120:].replace('file `welcome.py`', 'plugins/welcome.py')}{block.text}"


@pytest.mark.slow
@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_is_a_configuration_or_a_template(block: Block, folder: Path) -> None:
    if OTHER_YAML.keys() & set(block.text.splitlines()):
        assert yaml.safe_load(block.text)
    elif template := re.match(
        r"# (my-templates/(?:discord|presence|webhook)/\w+\.yaml)\n", block.text
    ):
        path = folder / template[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, "utf-8")
        check(
            f"templates: [./my-templates]\nplugins: {{discord: , presence: {PRESENCE}, webhook: }}\n"
        )
    else:
        text = block.text
        if "plugins" not in yaml.safe_load(text):
            text += "\nplugins:\n  log:\n"

        for secrets in ("/run/secrets", "/etc/lanrage-events"):
            text = text.replace(f"file:{secrets}/", f"file:{folder}/")

        check(text)


def check(text: str) -> None:
    """Do what ``lanrage-events check`` does."""
    path = Path("lanrage.yaml")
    path.write_text(text, "utf-8")
    config = check_config(path).draft.config()
    assert config.plugins
    # The game servers and the folders of the system are elsewhere.
    elsewhere = (
        "there is no folder '/srv/",
        "there is no folder '/home/",
        "cannot write to '/var/lib/",
    )
    assert not [text for text in config.warnings if not any(part in text for part in elsewhere)]


def make_app() -> App:
    app = make_own_app()
    for command in plugin_commands():
        app.command(load_command(command), name=command.name)

    return app


def parse(words: list[str]) -> None:
    """Check that the command line takes some words, and run nothing."""
    make_app().parse_args(words, exit_on_error=False, print_error=False)


def commands(block: Block) -> Iterator[list[str]]:
    """Yield each command of a console, and each part of a pipe, as words."""
    for line in re.findall(r"^[$#] (.*)$", block.text, re.MULTILINE):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "|"]:
            if word in ("|", "&&", ";"):
                while words and re.fullmatch(r"[A-Z_]+=.*|sudo", words[0]):
                    del words[0]

                yield words
                words = []
            else:
                words.append(word)


@pytest.mark.parametrize(
    # That page adds a command; test_plugin_commands.py runs it.
    "block",
    [block for block in of("console") if block.page != "plugin-commands"],
    ids=str,
)
def test_a_console_has_commands_that_exist(block: Block) -> None:
    found = list(commands(block))
    assert found
    for program, *words in found:
        if program in ("lanrage-events", "/opt/lanrage-events/bin/lanrage-events"):
            redirected = [n for n, word in enumerate(words) if word in ("<", ">")]
            parse(words[: redirected[0]] if redirected else words)
        else:
            assert program in OTHER_COMMANDS or program in ("sudo", "tee"), program


@pytest.mark.parametrize(
    "words", ["fly", "run --fast", "outbox drop --all some", "publish --skip x"]
)
def test_a_command_that_does_not_exist_would_be_found(words: str) -> None:
    with pytest.raises(CycloptsError):
        parse(words.split())


def shown_after(block: Block) -> Iterator[tuple[list[str], str]]:
    """Yield each command of ours in a console with the output that is shown below it."""
    for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = step.partition("\n")
        if command.startswith("lanrage-events "):
            yield shlex.split(command, comments=True)[1:], output


def readable(text: str) -> list[str]:
    """Return lines as one reads them: any time is as good, and nobody sees spaces at the end."""
    return [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "…", line).rstrip() for line in text.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        pytest.param(words, shown, id=" ".join(words)[:40])
        for block in of("console")
        if block.page == "templates"
        for words, shown in shown_after(block)
    ],
)
def test_a_preview_prints_what_is_shown(
    words: list[str], shown: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [template] = [b.text for b in of("yaml") if "is in the house" in b.text]
    (folder / "my-templates" / "discord" / "peer_joined.yaml").write_text(template, "utf-8")

    assert run_command(words) == 0
    lines = readable(capsys.readouterr().out)
    assert lines
    assert lines[: len(readable(shown))] == readable(shown)


def test_the_errors_on_the_page_of_the_daemon_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)
    Path("lanrage.yaml").write_text(FAULTY, "utf-8")
    [shown] = [
        shown
        for block in of("console")
        if block.page == "daemon"
        for words, shown in shown_after(block)
        if words[0] == "check" and "errors" in shown
    ]

    assert run_command(["check", "lanrage.yaml"]) == 78
    assert capsys.readouterr().out == shown


def test_every_page_with_python_has_its_test() -> None:
    assert {block.page for block in of("python")} == RUN_ELSEWHERE.keys() | RUN_HERE
    for page, test in RUN_ELSEWHERE.items():
        text = (ROOT / "tests" / test).read_text("utf-8")
        assert re.search(rf'\b{page}(?:\.md|")', text), page


def run(block: Block, name: str) -> dict[str, Any]:
    path = Path("example.py")
    path.write_text(block.text, "utf-8")
    return runpy.run_path(str(path), run_name=name)


def python_of(page: str) -> Block:
    [block] = [block for block in of("python") if block.page == page]
    return block


async def test_the_plugin_on_the_page_of_the_daemon_counts(folder: Path) -> None:
    path = folder / "lanrage.yaml"
    [text] = [b.text for b in of("yaml") if b.page == "daemon" and "counter:" in b.text]
    path.write_text(text, "utf-8")
    [plugin] = check_config(path).draft.config().plugins
    out = StringIO()
    with redirect_stdout(out):
        async with EventBus() as bus:
            bus.register(plugin.make())
            for name in ("Ann", "Bob"):
                await bus.publish_and_wait(PeerJoined(peer_name=name, party_name="LAN"))

    assert out.getvalue() == "Ann is number 1\nBob is number 2\n"


@pytest.mark.real_clock
def test_the_program_on_the_page_of_the_log_writes_a_line(folder: Path) -> None:
    run(python_of("log"), "__main__")
    [line] = (folder / "events.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["peer_name"] == "Ann"


def test_the_yaml_file_on_the_page_of_the_api_is_answered_as_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(python_of("api"), "__main__")

    [shown] = [block.text for block in of("text") if block.page == "api"]
    assert capsys.readouterr().out == shown


def test_the_program_on_the_page_of_templates_prints_what_a_template_makes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my-templates" / "ticker").mkdir()
    template = folder / "my-templates" / "ticker" / "peer_joined.yaml"
    template.write_text('text: "Hello {{ peer_name }}"\n', "utf-8")
    run(python_of("templates"), "__main__")
    assert "Hello ANN" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_program_on_the_page_of_log_files_tells_who_came(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = folder / "latest.log"
    log.write_text("", "utf-8")
    seen: list[str] = []
    told = anyio.Event()

    def note(name: str, text: str) -> None:
        seen.append(f"{name} {text}")
        told.set()

    with monkeypatch.context() as patch:
        patch.setattr(anyio, "run", lambda main: None)
        names = run(python_of("logfile"), "example")

    main = names["main"]
    main.__globals__["print"] = note
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(main)
        with anyio.fail_after(20):
            # It does not say when it has begun, and who was there before does not join again.
            for number in count():
                with log.open("a", encoding="utf-8") as file:
                    file.write(
                        f"[20:15:00] [Server thread/INFO]: Ann{number}[/10.0.0.1:50000] logged in with"
                        " entity id 1 at (0.5, 64.0, 0.5)\n"
                    )

                with anyio.move_on_after(1):
                    await told.wait()
                    break

        tasks.cancel_scope.cancel()

    [text] = seen
    assert re.fullmatch(r"Ann\d+ is here", text)
