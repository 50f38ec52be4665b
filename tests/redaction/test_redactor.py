from __future__ import annotations

import json
import logging
import pickle
import re
import sys
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanrage_events import Redactor
from lanrage_events._redaction import SECRET_MASK

TOKEN = "made-up-token_abcdefghijklmnopqrstuvwxyz"
WEBHOOK = f"https://discord.example/api/webhooks/123456789012345678/{TOKEN}"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(WEBHOOK)
    return redactor


class Lines(logging.Handler):
    """Keeps each record as a formatter would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(self.format(record))


@pytest.fixture
def lines(redactor: Redactor) -> Lines:
    handler = Lines()
    handler.addFilter(redactor.filter)
    return handler


@pytest.fixture
def logger(lines: Lines) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.secrets")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(lines)
    yield logger
    logger.removeHandler(lines)
    logger.propagate = True


def test_what_was_added_is_replaced_everywhere_in_a_text(redactor: Redactor) -> None:
    redactor.add("hunter2-hunter2")
    assert redactor.redact(f"<{WEBHOOK}> and hunter2-hunter2, hunter2-hunter2") == (
        f"<{SECRET_MASK}> and {SECRET_MASK}, {SECRET_MASK}"
    )


def test_a_text_without_secrets_comes_back_as_it_is(redactor: Redactor) -> None:
    assert redactor.redact("nothing to hide") == "nothing to hide"
    assert Redactor().redact("nothing is known yet") == "nothing is known yet"


def test_a_short_value_is_not_a_secret_and_six_characters_are() -> None:
    redactor = Redactor()
    redactor.add("")
    redactor.add("trios")
    redactor.add("sesame")
    assert redactor.redact("trios open sesame") == f"trios open {SECRET_MASK}"


def test_a_secret_that_contains_another_is_replaced_whole() -> None:
    redactor = Redactor()
    redactor.add("swordfish")
    redactor.add("swordfish-and-chips")
    assert redactor.redact("swordfish-and-chips") == SECRET_MASK


def test_secrets_that_overlap_leave_nothing_of_either() -> None:
    redactor = Redactor()
    redactor.add("abcdefgh")
    redactor.add("efghijkl")
    assert redactor.redact("-abcdefghijkl-") == f"-{SECRET_MASK}-"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        json.dumps,
        quote,
        quote_plus,
        lambda value: quote(value, safe=""),
        lambda value: re.sub("%..", lambda match: match[0].lower(), quote(value, safe="")),
        lambda value: json.dumps(value, ensure_ascii=False),
    ],
)
def test_a_secret_is_found_however_it_is_shown(show: object) -> None:
    assert callable(show)
    secret = 'pässword "with" \\ things/in it?'
    redactor = Redactor()
    redactor.add(secret)
    shown = redactor.redact(f"before {show(secret)} after")
    assert SECRET_MASK in shown
    assert "ssword" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_a_secret_with_white_space_around_it_is_found_without() -> None:
    redactor = Redactor()
    redactor.add(f" {TOKEN}\n")
    assert redactor.redact(f"token={TOKEN}.") == f"token={SECRET_MASK}."


def test_each_line_of_a_long_secret_is_found_alone() -> None:
    redactor = Redactor()
    redactor.add("first-line\nsecond-line\nend")
    assert redactor.redact("log: second-line") == f"log: {SECRET_MASK}"
    assert redactor.redact("the end") == "the end"


def test_the_token_of_a_url_is_found_in_another_path(redactor: Redactor) -> None:
    text = f"POST https://discord.example/api/v10/webhooks/123456789012345678/{TOKEN}?wait=true"
    shown = redactor.redact(text)
    assert TOKEN not in shown
    assert shown.endswith(f"/webhooks/123456789012345678/{SECRET_MASK}?wait=true")


def test_password_and_query_of_a_url_are_found_alone() -> None:
    redactor = Redactor()
    redactor.add(f"https://ann:open-sesame@host.example/x?key={TOKEN}&thread=123456789012345678901")
    assert redactor.redact(f"open-sesame, {TOKEN}") == f"{SECRET_MASK}, {SECRET_MASK}"
    assert redactor.redact("thread 123456789012345678901") == "thread 123456789012345678901"


def test_what_only_looks_like_a_url_is_a_secret_as_a_whole() -> None:
    redactor = Redactor()
    redactor.add("http://[half-an-address")
    assert redactor.redact("to http://[half-an-address!") == f"to {SECRET_MASK}!"


@given(
    st.lists(st.text(min_size=6).filter(lambda text: "*" not in text), max_size=4),
    st.lists(st.one_of(st.integers(0, 3), st.text()), max_size=8),
)
@example(["000000"], [0, "0", 0])
def test_no_secret_survives(secrets: list[str], parts: list[int | str]) -> None:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)

    text = "".join(
        secrets[part % len(secrets)] if isinstance(part, int) and secrets else str(part)
        for part in parts
    )
    shown = redactor.redact(text)
    for secret in secrets:
        assert secret not in shown


# However a secret with a Q is written, the Q stays; only of a URL parts are secrets, too.
@given(
    st.text(st.characters(exclude_characters="Q")),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=5),
)
def test_what_holds_no_secret_is_not_changed(text: str, rest: str) -> None:
    redactor = Redactor()
    redactor.add(f"Q{rest}")
    assert redactor.redact(text) == text


def test_a_structure_is_redacted_to_its_leaves(redactor: Redactor) -> None:
    value = {
        "url": WEBHOOK,
        TOKEN: 1,
        "list": [WEBHOOK, {"deep": (TOKEN, 2.5, None, True)}],
        "set": {TOKEN},
        "bytes": TOKEN.encode(),
        "error": ValueError(f"no {TOKEN}"),
    }
    assert redactor.redact_value(value) == {
        "url": SECRET_MASK,
        SECRET_MASK: 1,
        "list": [SECRET_MASK, {"deep": (SECRET_MASK, 2.5, None, True)}],
        "set": {SECRET_MASK},
        "bytes": f"b'{SECRET_MASK}'",
        "error": f"no {SECRET_MASK}",
    }
    assert value["url"] == WEBHOOK


def test_an_object_without_a_secret_stays_the_same_object(redactor: Redactor) -> None:
    marker = object()
    result = redactor.redact_value([marker])
    assert isinstance(result, list)
    assert result[0] is marker


def test_an_object_that_shows_a_secret_only_in_its_repr_is_replaced(redactor: Redactor) -> None:
    class Request:
        def __str__(self) -> str:
            return "a request"

        def __repr__(self) -> str:
            return f"Request({WEBHOOK})"

    assert redactor.redact_value(Request()) == f"Request({SECRET_MASK})"


def test_an_object_that_cannot_be_shown_is_named(redactor: Redactor) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert redactor.redact_value({"x": Broken()}) == {"x": "<Broken without a text>"}


def test_a_structure_that_contains_itself_ends(redactor: Redactor) -> None:
    value: list[object] = [TOKEN]
    value.append(value)
    assert TOKEN not in str(redactor.redact_value(value))
    mapping: dict[str, object] = {"token": TOKEN}
    mapping["itself"] = mapping
    assert TOKEN not in str(redactor.redact_value(mapping))


def test_the_filter_redacts_message_and_arguments(logger: logging.Logger, lines: Lines) -> None:
    logger.info("sending to %s", WEBHOOK)
    logger.info("sending to %(url)s", {"url": WEBHOOK})
    logger.info(f"sending to {WEBHOOK}")  # noqa: G004 - what others may do
    assert lines.lines == [f"sending to {SECRET_MASK}"] * 3
    assert TOKEN not in str([vars(record) for record in lines.records])


def test_the_filter_leaves_other_records_as_they_are(logger: logging.Logger, lines: Lines) -> None:
    logger.info("%d events for %s", 3, "Ann")
    (record,) = lines.records
    assert (record.msg, record.args) == ("%d events for %s", (3, "Ann"))


def test_the_filter_redacts_an_exception_with_its_causes(
    logger: logging.Logger, lines: Lines
) -> None:
    try:
        try:
            raise ValueError(f"cause {WEBHOOK}")
        except ValueError as error:
            raise RuntimeError("above") from error
    except RuntimeError:
        logger.exception("failed for %s", TOKEN)

    (line,) = lines.lines
    assert line.startswith(f"failed for {SECRET_MASK}\nTraceback")
    assert f"ValueError: cause {SECRET_MASK}" in line
    assert line.endswith("RuntimeError: above")
    assert TOKEN not in line


def test_a_record_with_a_redacted_exception_shows_no_secret_elsewhere(
    logger: logging.Logger, lines: Lines
) -> None:
    try:
        raise ValueError(WEBHOOK)
    except ValueError:
        logger.exception("failed", extra={"place": "here"})

    (record,) = lines.records
    # What a handler that shows every attribute, or sends it to another process, would show.
    assert TOKEN not in repr(vars(record))
    assert TOKEN.encode() not in pickle.dumps(vars(record))


def test_the_filter_keeps_an_exception_without_secrets(
    logger: logging.Logger, lines: Lines
) -> None:
    try:
        raise ValueError("harmless")
    except ValueError:
        logger.exception("failed")

    assert lines.records[0].exc_info is not None
    assert lines.lines[0].endswith("ValueError: harmless")


def test_the_filter_redacts_what_another_handler_has_formatted(redactor: Redactor) -> None:
    record = logging.makeLogRecord({"msg": "x", "exc_text": f"Traceback: {WEBHOOK}"})
    assert redactor.filter.filter(record)
    assert record.exc_text == f"Traceback: {SECRET_MASK}"


def test_the_filter_redacts_extra_fields_and_stacks(logger: logging.Logger, lines: Lines) -> None:
    logger.info("x", extra={"url": WEBHOOK, "peer": "Ann"}, stack_info=True)
    (record,) = lines.records
    assert vars(record)["url"] == SECRET_MASK
    assert vars(record)["peer"] == "Ann"

    held = logging.makeLogRecord({"msg": "x", "stack_info": f"at {TOKEN}"})
    lines.filter(held)
    assert held.stack_info == f"at {SECRET_MASK}"


def test_the_filter_keeps_the_structure_of_a_message_that_is_no_text(redactor: Redactor) -> None:
    error = ValueError(TOKEN)
    record = logging.makeLogRecord(
        {"msg": {"event": "sent", "url": WEBHOOK}, "exc_info": (ValueError, error, None)}
    )
    redactor.filter.filter(record)
    assert record.msg == {"event": "sent", "url": SECRET_MASK}
    assert record.exc_info is None
    assert record.exc_text == f"ValueError: {SECRET_MASK}"


def test_a_format_that_does_not_fit_shows_no_secret(
    logger: logging.Logger, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TypeError):
        logger.info("%d", WEBHOOK)

    (record,) = lines.records
    assert record.args == (SECRET_MASK,)

    try:
        raise ValueError(TOKEN)
    except ValueError:
        record = logging.makeLogRecord(
            {"msg": "%d", "args": (WEBHOOK,), "exc_info": sys.exc_info()}
        )

    lines.filter(record)
    assert TOKEN not in lines.format(record)
    assert SECRET_MASK in lines.format(record)


def test_the_filter_works_on_the_logger_of_a_library(redactor: Redactor) -> None:
    logger, handler = logging.getLogger("tests.secrets.library"), Lines()
    logger.addHandler(handler)
    logger.addFilter(redactor.filter)
    logger.setLevel(logging.INFO)
    try:
        logger.info('HTTP Request: POST %s "%s %d %s"', WEBHOOK, "HTTP/1.1", 200, "OK")
    finally:
        logger.removeHandler(handler)
        logger.removeFilter(redactor.filter)

    assert handler.lines == [f'HTTP Request: POST {SECRET_MASK} "HTTP/1.1 200 OK"']


def test_neither_repr_nor_filter_shows_a_secret(redactor: Redactor) -> None:
    assert TOKEN not in repr(redactor) + repr(redactor.filter)


def test_secrets_can_be_added_from_many_threads() -> None:
    redactor = Redactor()

    def add_many(part: int) -> None:
        for i in range(50):
            redactor.add(f"secret-{part}-{i}")

    threads = [threading.Thread(target=add_many, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    for part in range(4):
        for i in range(50):
            assert redactor.redact(f"<secret-{part}-{i}>") == f"<{SECRET_MASK}>"


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_record_with_an_object_that_cannot_be_shown_is_logged(
    redactor: Redactor, kind: type[BaseException]
) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise kind

    lines = Lines()
    logger = logging.getLogger("lanrage_events.broken")
    lines.addFilter(redactor.filter)
    logger.addHandler(lines)
    try:
        logger.error("it failed: %s", Broken(), exc_info=Broken())
    finally:
        logger.removeHandler(lines)

    [line] = lines.lines
    assert "it failed: <Broken without a text>" in line
