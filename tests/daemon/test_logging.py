from __future__ import annotations

import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import Redactor
from lanrage_events._daemon import LogFormat, logging_to_stderr
from lanrage_events._redaction import SECRET_MASK

TOKEN = "made-up-token-0123456789abcdefghijklmnopqrstuvwxyz"
URL = f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}"

Log = Callable[..., list[str]]

logger = logging.getLogger("lanrage_events._bus.bus")
FORMATS: tuple[LogFormat, ...] = ("console", "json")


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(URL)
    return redactor


@pytest.fixture(params=FORMATS)
def log_format(request: pytest.FixtureRequest) -> LogFormat:
    log_format: LogFormat = request.param
    return log_format


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    return lambda: capsys.readouterr().err.splitlines()


def test_a_line_for_people_has_time_level_message_and_who_logs(
    lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with logging_to_stderr("info", "console", redactor):
        logger.info("ready, %d plugins", 2)
        logging.getLogger("other._else").warning("hello")

    ready, hello = lines()
    time, _, rest = ready.partition(" [")
    assert len(time) == len("2026-01-31 20:15:00")
    assert rest == "info     ] ready, 2 plugins"
    assert hello.endswith("[warning  ] hello [other]")


def test_an_address_to_open_stands_on_a_line_of_its_own(
    lines: Callable[[], list[str]], redactor: Redactor, log_format: LogFormat
) -> None:
    def log(address: str) -> None:
        web.info("'%s': the page is at %s", "http", address, extra={"address": address})

    web = logging.getLogger("other._else")
    with logging_to_stderr("info", log_format, redactor):
        log("http://127.0.0.1:8666/")
        log("http://[fe80::1\x1b\n2026-01-31 forged]/")
        web.info("no address at the end", extra={"address": "http://127.0.0.1:8666/"})

    written = lines()
    if log_format == "json":
        assert [set(json.loads(line)) for line in written] == [
            {"event", "level", "logger", "timestamp"}
        ] * 3
        assert json.loads(written[0])["event"] == "'http': the page is at http://127.0.0.1:8666/"
        return

    first, address, second, hostile, third = written
    assert first.endswith("] 'http': the page is at")
    assert address == "    http://127.0.0.1:8666/"
    assert second.endswith("] 'http': the page is at")
    assert hostile.startswith("    http://[fe80::1")
    assert "\x1b" not in hostile
    assert third.endswith("] no address at the end [other]")


def test_a_json_line_has_the_same(lines: Callable[[], list[str]], redactor: Redactor) -> None:
    with logging_to_stderr("info", "json", redactor):
        logging.getLogger("other._else").warning("hello %s", "Ann")

    [line] = lines()
    data = json.loads(line)
    assert data.pop("timestamp").endswith("Z")
    assert data == {"event": "hello Ann", "level": "warning", "logger": "other"}


def test_what_is_less_severe_than_the_level_is_left_out(
    lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with logging_to_stderr("warning", "console", redactor):
        logger.info("no")
        logger.warning("yes")

    [line] = lines()
    assert line.endswith("yes")


@pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "lanrage_events.discord"])
def test_no_secret_is_logged(
    name: str, log_format: LogFormat, lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with logging_to_stderr("debug", log_format, redactor):
        target = logging.getLogger(name)
        target.debug("HTTP Request: POST %s", URL)
        target.info(URL)
        secret_local = URL
        try:
            try:
                raise ValueError(f"bad {TOKEN}")
            except ValueError as error:
                raise RuntimeError(f"request to {secret_local} failed") from error
        except RuntimeError:
            target.exception("it failed for %r", secret_local)

        target.info("with a stack", stack_info=True)

    text = "\n".join(lines())
    assert TOKEN not in text
    assert re.search(r"HTTP Request: POST \S*\*{10}", text)
    assert "RuntimeError" in text
    assert "ValueError" in text


def log_an_error_with_a_secret(message: object) -> None:
    try:
        try:
            raise ValueError(f"bad {URL}")
        except ValueError as error:
            raise RuntimeError("two\nlines") from error
    except RuntimeError:
        logger.exception(message)


@pytest.mark.parametrize("message", ["it failed", {"it": "failed"}], ids=["text", "structure"])
@pytest.mark.parametrize("filters", [0, 1, 2])
def test_a_traceback_with_a_secret_is_shown_like_any_other(
    message: object, filters: int, lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with ExitStack() as stack:
        stack.enter_context(logging_to_stderr("info", "console", redactor))
        for known in [redactor, Redactor()][:filters]:
            stack.enter_context(known.redacting(["lanrage_events"]))

        log_an_error_with_a_secret(message)

    first, *block = lines()
    assert first.endswith(f"[error    ] {message}")
    assert block[0] == "    Traceback (most recent call last):"
    assert block[-2:] == ["    RuntimeError: two", "    lines"]
    assert all(line.startswith("    ") for line in block)
    assert any("ValueError: bad " in line and SECRET_MASK in line for line in block)
    assert TOKEN not in "".join(block)


@pytest.mark.parametrize("filters", [0, 1, 2])
def test_a_traceback_with_a_secret_keeps_its_structure_in_json(
    filters: int, lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with ExitStack() as stack:
        stack.enter_context(logging_to_stderr("info", "json", redactor))
        for known in [redactor, Redactor()][:filters]:
            stack.enter_context(known.redacting(["lanrage_events"]))

        log_an_error_with_a_secret("it failed")

    [line] = lines()
    data = json.loads(line)
    assert data["event"] == "it failed"
    outer, inner = data["exception"]
    assert (outer["exc_type"], outer["exc_value"]) == ("RuntimeError", "two\nlines")
    assert inner["exc_type"] == "ValueError"
    assert re.fullmatch(r"bad \S*\*{10}", inner["exc_value"])
    assert TOKEN not in line


def test_a_secret_that_is_learnt_later_is_not_logged_either(
    lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with logging_to_stderr("info", "console", redactor):
        redactor.add("learnt-later")
        logger.info("it is learnt-later")

    assert "learnt-later" not in lines()[0]


def test_requests_are_logged_only_when_debugging(
    lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    for level in ("info", "debug"):
        with logging_to_stderr(level, "console", redactor):
            logging.getLogger("httpx").info("HTTP Request")
            logging.getLogger("httpcore.http11").debug("send_request_headers")

        assert len(lines()) == (2 if level == "debug" else 0)


HOSTILE = st.text(
    st.sampled_from("a\n\r\x1b\x9b\x07\x08\x00\u2028\u2029\x85\u202e\u200b\ud800[2J"), max_size=30
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_values_cannot_forge_lines_or_steer_the_terminal(
    text: str, log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to_stderr("info", log_format, Redactor()):
        logger.info("name: %s", text)

    output = capsys.readouterr().err
    assert output.endswith("\n")
    assert output[:-1].isprintable()


def test_an_exception_cannot_forge_lines_or_steer_the_terminal(
    lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with logging_to_stderr("info", "console", redactor):
        try:
            raise ValueError("\n2026-01-31 20:15:00 [info     ] all is well\x1b[2J\u2028x")
        except ValueError:
            logger.exception("failed")

    first, *others = lines()
    assert first.endswith("failed")
    assert len(others) > 3
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_an_exception_is_a_structure_in_json(
    lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    with logging_to_stderr("info", "json", redactor):
        try:
            local_value = "not shown"
            raise ValueError(local_value[:2])
        except ValueError:
            logger.exception("failed")

    [line] = lines()
    [exception] = json.loads(line)["exception"]
    assert exception["exc_type"] == "ValueError"
    assert "not shown" not in line


def test_warnings_are_logged(lines: Callable[[], list[str]], redactor: Redactor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to_stderr("info", "console", redactor):
            warnings.warn(f"old {URL}", DeprecationWarning, stacklevel=1)

    [line] = lines()
    assert (
        "DeprecationWarning: old https://discord.com/api/webhooks/123456789012345678/**********"
        in line
    )


def test_what_ends_a_thread_is_logged(
    log_format: LogFormat, lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    def fail() -> None:
        raise ValueError(URL)

    with logging_to_stderr("info", log_format, redactor):
        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()

    text = "\n".join(lines())
    assert "unexpected error in the thread worker" in text
    assert "ValueError" in text
    assert TOKEN not in text


def test_what_python_ignores_is_logged(lines: Callable[[], list[str]], redactor: Redactor) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError(URL)

    with logging_to_stderr("info", "console", redactor):
        Broken()

    text = "\n".join(lines())
    assert "ignored in <function" in text
    assert "ValueError" in text
    assert TOKEN not in text


def test_a_message_that_cannot_be_formatted_shows_nothing_of_it(
    log_format: LogFormat, lines: Callable[[], list[str]], redactor: Redactor
) -> None:
    record = logging.LogRecord("other", logging.INFO, "x.py", 1, "%d events", (URL,), None)
    with logging_to_stderr("info", log_format, redactor) as handler:
        handler.handle(record)
        logger.info("next")

    first, second = lines()
    message = "cannot log a message of other, from x.py:1: TypeError"
    assert json.loads(first)["event"] == message if log_format == "json" else message in first
    assert TOKEN not in first
    assert "next" in second


@pytest.fixture
def state() -> Callable[[], tuple[object, ...]]:
    def read() -> tuple[object, ...]:
        names = ("", "httpx", "httpcore")
        return (
            tuple(logging.getLogger().handlers),
            tuple(logging.getLogger(name).level for name in names),
            threading.excepthook,
            sys.unraisablehook,
            warnings.showwarning,
        )

    return read


def test_at_the_end_everything_is_as_it_was(
    state: Callable[[], tuple[object, ...]], redactor: Redactor
) -> None:
    before = state()
    with logging_to_stderr("debug", "console", redactor):
        outer = state()
        assert outer != before
        with logging_to_stderr("error", "json", redactor):
            pass

        assert state() == outer

    assert state() == before


def test_the_inner_one_alone_logs(lines: Callable[[], list[str]], redactor: Redactor) -> None:
    with (
        logging_to_stderr("debug", "console", redactor),
        logging_to_stderr("debug", "json", redactor),
    ):
        logger.info("once")

    [line] = lines()
    assert json.loads(line)["event"] == "once"


def test_the_line_that_shows_the_progress_makes_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redactor: Redactor
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with logging_to_stderr("info", "console", redactor) as handler:
        handler.status_line.show("12 events")
        logger.info("hello")

    output = capsys.readouterr().err
    assert output.startswith("\r12 events\r         \r2")
    assert output.endswith("hello\n")


@pytest.mark.parametrize(
    ("environment", "has_colors"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_gets_colours_unless_they_are_disabled(
    environment: dict[str, str],
    has_colors: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    redactor: Redactor,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with logging_to_stderr("info", "console", redactor):
        logger.info("hello")

    assert ("\x1b[" in capsys.readouterr().err) is has_colors
