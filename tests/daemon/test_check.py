"""What can never work is reported before anything runs, all of it at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from lanrage_events.__main__ import main
from lanrage_events._daemon import check, run
from lanrage_events.cli import install_command
from lanrage_events.config import ConfigError

PICKY = """\
from lanrage_events import ConfigProblem, hookimpl
from lanrage_events.config import ConfigModel


class Rule(ConfigModel):
    name: str = "any"
    loud: bool = False


class Config(ConfigModel):
    rules: tuple[Rule, ...] = ()
    size: int = 1
    broken: bool = False


class Plugin:
    Config = Config

    def __init__(self, config):
        self.config = config
        if config.broken:
            raise RuntimeError("it is broken")

    @hookimpl
    def validate(self, bus):
        names = [rule.name for rule in self.config.rules]
        for index, name in enumerate(names):
            if name == "bad":
                yield ConfigProblem(f"number {index} is bad", ("rules", index, "name"))
            if name in names[:index]:
                yield ConfigProblem("came before", ("rules", index), warning=True)
        if len(names) < 2:
            yield ConfigProblem("fewer than two", ("rules",), warning=True)
        if self.config.size == 1:
            yield ConfigProblem("small", ("size",), warning=True, about_key=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "picky.py").write_text(PICKY, encoding="utf-8")
    return tmp_path


def write(text: str) -> Path:
    file = Path("lanrage.yaml")
    file.write_text(f"plugins_folder: plugins\n{dedent(text)}", encoding="utf-8")
    return file


def findings(text: str) -> list[str]:
    return [
        f"{'W' if finding.is_warning else 'E'} {finding.text.removeprefix('lanrage.yaml:')}".replace(
            str(Path.cwd()), "~"
        )
        for finding in check(write(text)).findings
    ]


def test_what_a_plugin_finds_stands_beside_the_other_errors_of_its_section() -> None:
    assert findings(
        """\
        plugins:
          picky:
            rules:
              - {name: fine, loud: maybe}
              - {name: bad}
              - {loud: maybe, name: bad}
              - {name: bad}
            size: 1
            sise: 2
        """
    ) == [
        "E 5:28: plugins.picky.rules.0.loud: expected true or false, found a text",
        "E 6:16: plugins.picky.rules.1.name: number 1 is bad",
        "E 7:16: plugins.picky.rules.2.loud: expected true or false, found a text",
        "E 7:29: plugins.picky.rules.2.name: number 2 is bad",
        "W 8:9: plugins.picky.rules.3: came before",
        "E 8:16: plugins.picky.rules.3.name: number 3 is bad",
        "W 9:5: plugins.picky.size: small",
        "E 10:5: plugins.picky.sise: unknown key, did you mean 'size'?",
    ]


def test_nothing_is_said_that_comes_only_from_what_is_wrong() -> None:
    # Without the wrong size it would be small, and without the wrong rule there would be one.
    assert findings(
        """\
        plugins:
          picky:
            rules: [{name: a, loud: maybe}, {name: b}]
            size: many
        """
    ) == [
        "E 4:29: plugins.picky.rules.0.loud: expected true or false, found a text",
        "E 5:11: plugins.picky.size: expected a whole number, found a text",
    ]


def test_a_webhook_without_a_url_hides_no_other_mistake() -> None:
    assert findings(
        """\
        plugins:
          discord:
            webhooks:
              lobby: {url: "${NOT_SET}"}
              third: {thread_name: x}
              other: {url: https://example.org}
            routes:
              - {webhook: lobby, events: [peer_joned]}
              - {webhook: third, where: {nope: 1}}
              - {webhook: other, mention: {roles: [123456789012345678]}}
              - {webhook: loby}
              - {stop: true}
              - {webhook: lobby}
            alerts: {webhook: lobby, silent_after: {logfle: 5m}}
        """
    ) == [
        "E 5:20: plugins.discord.webhooks.lobby.url: the environment variable NOT_SET is not set",
        "E 6:7: plugins.discord.webhooks.third.url: required, but missing",
        (
            "E 7:20: plugins.discord.webhooks.other.url: the webhook URL does not lead to Discord: its "
            "host is 'example.org', expected discord.com"
        ),
        (
            "E 9:35: plugins.discord.routes.0.events.0: no event type is named 'peer_joned', did you "
            "mean 'peer_joined'?"
        ),
        (
            "W 10:34: plugins.discord.routes.1.where.nope: no event takes this route, since none of "
            "its types has this field"
        ),
        (
            "E 11:44: plugins.discord.routes.2.mention.roles.0: expected a text, found a number: put "
            "it in quotes"
        ),
        "E 12:19: plugins.discord.routes.3.webhook: no webhook is named 'loby', did you mean 'lobby'?",
        (
            "W 14:9: plugins.discord.routes.5: no event reaches this route, since the route at "
            "lanrage.yaml:13:9 takes them and has 'stop'"
        ),
        (
            "W 15:53: plugins.discord.alerts.silent_after.logfle: no plugin is named 'logfle', known "
            "are discord, stdin"
        ),
    ]


def test_a_section_that_cannot_be_made_right_does_not_hide_the_others() -> None:
    assert findings(
        """\
        plugins:
          picky: {broken: true}
          second: {use: picky, mailbox: {size: 0}, broken: true}
          third: {use: picky, size: 2, rules: [{name: bad}, {}]}
        """
    ) == [
        "E 3:3: plugins.picky: the plugin cannot be made (the file ~/plugins/picky.py): RuntimeError: it is broken",
        "E 4:3: plugins.second: the plugin cannot be made (the file ~/plugins/picky.py): RuntimeError: it is broken",
        "E 4:40: plugins.second.mailbox.size: must be at least 1",
        "E 5:47: plugins.third.rules.0.name: number 0 is bad",
    ]


@pytest.mark.slow
def test_what_the_system_lacks_is_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trio", None)
    Path("state").touch()
    Path("plain").touch()
    Path("empty").mkdir()
    write(
        """\
        backend: trio
        state_folder: state/of/lanrage
        templates: [gone, plain, empty]
        plugins: {discord: }
        """
    )
    assert main(["check", "lanrage.yaml"]) == 78
    assert capsys.readouterr().out.replace(str(folder), "~").splitlines() == [
        (
            "lanrage.yaml:2:10: backend: 'trio' cannot be used: the package 'trio' is missing: "
            + install_command("trio")
        ),
        (
            "lanrage.yaml:3:15: state_folder: ~/state/of/lanrage cannot be created, since ~/state "
            "is a file"
        ),
        (
            "warning: lanrage.yaml:4:13: templates.0: there is no folder ~/gone, so no template of it "
            "is used"
        ),
        (
            "warning: lanrage.yaml:4:19: templates.1: ~/plain is a file: name the folder that "
            "'discord/' is in"
        ),
        (
            "warning: lanrage.yaml:4:26: templates.2: ~/empty has no folder of templates, such as "
            "'discord', so none of it is used"
        ),
        "lanrage.yaml: 2 errors and 3 warnings",
    ]


def test_warnings_are_errors_if_one_wants(capsys: pytest.CaptureFixture[str]) -> None:
    write("plugins: {picky: {rules: [{}, {name: b}]}}")
    lines = (
        "warning: lanrage.yaml:2:11: plugins.picky.size: small\n"
        "lanrage.yaml: 1 warning; plugins: picky; backend: asyncio\n"
    )
    assert main(["check"]) == 0
    assert capsys.readouterr().out == lines
    assert main(["check", "--strict"]) == 78
    assert capsys.readouterr().out == lines


def test_all_is_well_if_nothing_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    write("plugins: {picky: {size: 2, rules: [{}, {name: b}]}}")
    assert main(["check", "--strict"]) == 0
    assert "all is well" in capsys.readouterr().out


@pytest.mark.slow
def test_the_daemon_logs_the_same_warnings() -> None:
    write(
        """\
        templates: [gone]
        plugins:
          picky: {size: 1}
          logfile: {path: latest.log, preset: minecraft}
          log: {path: events.jsonl, include: game_started}
        rules: [{events: game_started, drop: true}]
        """
    )
    Path("latest.log").touch()
    result = subprocess.run(
        [sys.executable, "-m", "lanrage_events", "run", "--stdin"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    errors = result.stderr
    assert result.returncode == 0
    for line in (
        "lanrage.yaml:2:13: templates.0: there is no folder",
        "lanrage.yaml:4:11: plugins.picky.size: small",
        "lanrage.yaml:6:38: plugins.log.include: the plugin 'logfile' now publishes server_started",
        "lanrage.yaml:7:18: rules.0.events.0: the plugin 'logfile' now publishes server_started",
    ):
        assert errors.count(line) == 1, errors


MISTAKES = """\
backend: trio
state_folder: plain/state
watch: true
templates: [my-templates]
plugins:
  greeter:
  chime:
  lgo: {}
  pager: {volume: 3}
  log: {path: logs/events.jsonl, format: xml}
  discord:
    webhook_url: ${NO_SUCH_VARIABLE}
    batch: {window: 3}
    routes:
      - {events: [peer_left, peer_joind], where: {peer_name: 5}}
      - {events: peer_left, webhook: gamse}
"""


@pytest.mark.slow
def test_fourteen_mistakes_of_as_many_kinds_are_found_in_one_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trio", None)
    (folder / "plain").touch()
    (folder / "my-templates" / "discord").mkdir(parents=True)
    template = folder / "my-templates" / "discord" / "peer_left.yaml"
    template.write_text("titel: Gone\n", encoding="utf-8")
    for name, source in {
        "greeter": "class Plugin:\n    def __init__(self):\n        raise OSError('no mic')\n"
        "    @hookimpl\n    def peer_left(self, event): ...\n",
        "chime": "@hookimpl\ndef peer_jond(event): ...\n",
        "pager": "@hookimpl\ndef validate(bus):\n    yield 'no pager is connected'\n",
    }.items():
        text = f"from lanrage_events import hookimpl\n{source}"
        (folder / "plugins" / f"{name}.py").write_text(text, encoding="utf-8")

    write(MISTAKES)
    assert main(["check"]) == 78
    *lines, count = capsys.readouterr().out.replace(str(folder), "~").splitlines()
    assert [line.partition(": ")[::2] for line in lines] == [
        ("~/my-templates/discord/peer_left.yaml:1:1", "titel: unknown key, did you mean 'title'?"),
        (
            "lanrage.yaml:2:10",
            (
                "backend: 'trio' cannot be used: the package 'trio' is missing: "
                + install_command("trio")
            ),
        ),
        (
            "lanrage.yaml:3:15",
            "state_folder: ~/plain/state cannot be created, since ~/plain is a file",
        ),
        (
            "lanrage.yaml:7:3",
            (
                "plugins.greeter: the plugin cannot be made (the file ~/plugins/greeter.py): "
                "OSError: no mic"
            ),
        ),
        (
            "lanrage.yaml:8:3",
            (
                "plugins.chime: the plugin implements the unknown hook 'peer_jond', did you mean "
                "'peer_joined'?"
            ),
        ),
        ("lanrage.yaml:9:3", "plugins.lgo: no such plugin is installed, did you mean 'log'?"),
        ("lanrage.yaml:10:3", "plugins.pager: no pager is connected"),
        (
            "lanrage.yaml:10:11",
            "plugins.pager.volume: unknown key: this plugin has no keys of its own",
        ),
        (
            "lanrage.yaml:11:15",
            (
                "plugins.log.path: cannot write to '~/logs/events.jsonl': No such file or directory; "
                "create the folder '~/logs' or change 'path'"
            ),
        ),
        (
            "lanrage.yaml:11:42",
            "plugins.log.format: expected 'json' or 'text'",
        ),
        (
            "lanrage.yaml:13:18",
            "plugins.discord.webhook_url: the environment variable NO_SUCH_VARIABLE is not set",
        ),
        (
            "lanrage.yaml:14:21",
            (
                "plugins.discord.batch.window: a number alone is not a duration, add a unit: "
                "'500ms' or '2s'"
            ),
        ),
        (
            "lanrage.yaml:16:30",
            (
                "plugins.discord.routes.0.events.1: no event type is named 'peer_joind', did you "
                "mean 'peer_joined'?"
            ),
        ),
        (
            "lanrage.yaml:17:38",
            "plugins.discord.routes.1.webhook: no webhook is named 'gamse', known: default",
        ),
    ]
    assert count == "lanrage.yaml: 14 errors"


ODDITIES = """\
templates: [gone]
plugins:
  log: {path: events.jsonl, include: [peer_*, peer_joind]}
  again: {use: log, path: events.jsonl}
  logfile: {path: server.log, preset: minecraft}
  discord:
    webhooks:
      main: {url: "https://discord.com/api/webhooks/1234/made-up-token"}
      unused: {url: "https://discord.com/api/webhooks/5678/made-up-token"}
    max_age: {notification: 1h}
    routes:
      - {events: game_started, webhook: main, where: {max_players: 3}}
      - {events: game_ended, webhook: main, where: {duration: [long, 60]}}
      - {events: peer_joined, webhook: main, mention: {}}
      - {events: peer_joined, webhook: [], stop: true, silent: true}
      - {events: peer_*, webhook: main, where: {party_id: 1}, stop: true}
      - {events: peer_joined, webhook: main}
      - {events: peer_left, where: {party_id: "1"}, webhook: main}
      - {events: peer_left, webhook: []}
"""


@pytest.mark.slow
def test_what_works_but_is_hardly_meant_is_a_warning_and_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(ODDITIES)
    assert main(["check"]) == 0
    *lines, count = capsys.readouterr().out.splitlines()
    assert all(line.startswith("warning: lanrage.yaml:") for line in lines)
    assert [line.removeprefix("warning: lanrage.yaml:").split(": ")[:2] for line in lines] == [
        ["2:13", "templates.0"],
        ["4:47", "plugins.log.include.1"],
        ["5:27", "plugins.again.path"],
        ["6:19", "plugins.logfile.path"],
        ["10:7", "plugins.discord.webhooks.unused"],
        ["11:15", "plugins.discord.max_age.notification"],
        ["13:55", "plugins.discord.routes.0.where.max_players"],
        ["14:64", "plugins.discord.routes.1.where.duration.0"],
        ["15:55", "plugins.discord.routes.2.mention"],
        ["16:56", "plugins.discord.routes.3.silent"],
        ["18:9", "plugins.discord.routes.5"],
        ["19:9", "plugins.discord.routes.6"],
        ["20:9", "plugins.discord.routes.7"],
    ]
    assert (
        count
        == "lanrage.yaml: 13 warnings; plugins: log, again, logfile, discord; backend: asyncio"
    )
    assert main(["check", "--strict"]) == 78


def test_an_unknown_type_may_come_from_a_plugin_that_cannot_be_loaded() -> None:
    assert findings(
        """\
        plugins:
          bingo: {}
          log: {include: [bingo_called, peer_joind]}
        """
    ) == [
        "E 3:3: plugins.bingo: no such plugin is installed",
        (
            "W 4:19: plugins.log.include.0: no event type is named 'bingo_called', unless the plugin "
            "'bingo' has it, which is not loaded"
        ),
        (
            "W 4:33: plugins.log.include.1: no event type is named 'peer_joind', did you mean "
            "'peer_joined'?"
        ),
    ]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_what_this_user_may_not_write_another_one_may(folder: Path) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    texts = findings("state_folder: locked/state\nplugins: {log: {path: locked/e}, discord: }")
    assert [text[:6] for text in texts] == ["W 2:15", "W 3:23"]


@pytest.mark.parametrize(
    ("key", "package", "reason"),
    [
        ("backend: trio", "trio", "backend: 'trio' cannot be used: "),
        ("watch: true", "watchfiles", "watch: the file cannot be watched: "),
    ],
)
def test_check_and_run_agree_on_a_missing_package(
    key: str, package: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    file = tmp_path / "lan.yaml"
    file.write_text(f"{key}\nstate_folder: state\nplugins: {{log: }}", "utf-8")
    (found,) = check(file).findings

    assert f": {reason}the package '{package}' is missing: " in found.text
    with pytest.raises(ConfigError) as caught:
        run(file)

    assert caught.value.problems == (found.text,)


OWN = {
    "the configuration": ("lanrage.yaml", "this configuration file"),
    "a secret": ("secret", "the file of a secret, ~/secret"),
    "a template": ("words/discord/event.yaml", "the template ~/words/discord/event.yaml"),
    "a template to come": ("words/discord/new.yaml", "the template ~/words/discord/new.yaml"),
    "words": ("words/words.yaml", "the template ~/words/words.yaml"),
    "a plugin": ("plugins/picky.py", "the plugin ~/plugins/picky.py"),
    "a plugin to come": ("plugins/new.py", "the plugin ~/plugins/new.py"),
    **{
        name: (f"state/{name}", f"~/state/{name}, where a plugin or the daemon keeps its state")
        for name in (
            "discord.outbox",
            "discord.outbox-wal",
            "discord.settings.json",
            "http.sessions.json",
            "game.positions.json",
            "mail.outbox",
            "daemon-lanrage-0123.lock",
        )
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("name", OWN)
def test_no_log_writes_to_what_the_daemon_reads_or_keeps(
    folder: Path, name: str, exists: bool, link: bool
) -> None:
    path, what = OWN[name]
    (folder / "words" / "discord").mkdir(parents=True)
    (folder / "state").mkdir()
    (folder / "words" / "discord" / "event.yaml").touch()
    (folder / "secret").write_text("x", encoding="utf-8")
    if exists:
        (folder / path).touch()
    if link:
        (folder / "link").symlink_to(path)
    shown = findings(
        f"""\
        templates: [words]
        state_folder: state
        plugins:
          picky: {{rules: [{{name: "${{file:secret}}"}}, {{name: b}}], size: 2}}
          game: {{use: log, path: game.jsonl}}
          http: {{}}
          discord: {{}}
          log: {{path: {"link" if link else path}}}
        """
    )
    assert f"E 9:15: plugins.log.path: it writes events to {what}: change its path" in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["events.jsonl", "discord.log", "log.json", "joins.txt"])
def test_a_record_of_events_may_lie_in_the_state_folder(folder: Path, name: str) -> None:
    """As the unit for systemd has it."""
    (folder / "state").mkdir()
    (folder / "state" / name).touch()
    text = f"state_folder: state\nplugins:\n  discord: {{}}\n  log: {{path: state/{name}}}\n"
    assert findings(text) == []


@pytest.mark.parametrize("path", ["loop", "loop/events.jsonl", "dangling", "socket"])
def test_a_log_that_cannot_be_opened_is_an_error(folder: Path, path: str) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("gone/events.jsonl")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        [problem] = findings(f"plugins:\n  log: {{path: {path}}}\n")

    assert problem.startswith(f"E 3:15: plugins.log.path: cannot write to '~/{path}': ")


def test_a_link_to_a_file_that_the_log_creates_is_right(folder: Path) -> None:
    (folder / "link").symlink_to("events.jsonl")
    assert findings("plugins:\n  log: {path: link}\n") == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["loop", "dangling", "dangling/state"])
def test_a_state_folder_behind_a_link_to_nowhere_is_an_error(folder: Path, path: str) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("gone")
    [problem] = findings(f"state_folder: {path}\nplugins:\n  discord: {{}}\n")
    link = path.partition("/")[0]
    assert problem == (
        f"E 2:15: state_folder: ~/{link} is a link that leads nowhere: name a folder"
    )


@pytest.mark.parametrize("words", [["other.yaml"], ["--config", "other.yaml"]])
@pytest.mark.parametrize("command", [["check"], ["events"]])
def test_the_file_is_a_word_or_an_option(
    command: list[str], words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.yaml").write_text("plugins:\n  lgo:\n")
    assert main([*command, *words]) == 78
    output = capsys.readouterr()
    assert "other.yaml:2:3: plugins.lgo" in output.out + output.err
