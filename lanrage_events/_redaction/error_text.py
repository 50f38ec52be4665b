"""The texts of exceptions and values, which the classes of plugins may be unable to give."""

from __future__ import annotations

UNREADABLE = "(its text cannot be read)"
VALUE_MAX_CHARACTERS = 200


def error_text(error: BaseException) -> str:
    """Return the text of an exception; of one that raises when it is shown, a text that says so."""
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a plugin's class may raise anything
        return UNREADABLE


def format_value(value: object) -> str:
    """Describe a value that was not expected, in a text of limited length."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a plugin's class may raise anything
        return f"<{type(value).__name__} {UNREADABLE}>"

    return text if len(text) <= VALUE_MAX_CHARACTERS else f"{text[:VALUE_MAX_CHARACTERS]}…"
