"""Discord's polls: what may be in one, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .._form import Form, Path

# https://docs.discord.com/developers/resources/poll#poll-create-request-object
_QUESTION_MAX_CHARACTERS = 300
_ANSWER_MAX_CHARACTERS = 55
_ANSWERS_MAX = 10
_MAX_HOURS = 32 * 24
_DEFAULT_HOURS = 24
_DEFAULT_LAYOUT = 1


def check_poll(form: Form, value: object) -> Mapping[str, Any]:
    """Check a poll, and return it with Discord's defaults."""
    path: Path = ("poll",)
    poll = form.mapping(path, value)
    if poll is None:
        return {}

    question = form.mapping((*path, "question"), poll.get("question"), required=True)
    text = ""
    if question is not None:
        place: Path = (*path, "question", "text")
        text = form.text(place, question.get("text"), _QUESTION_MAX_CHARACTERS, required=True)

    answers = [
        _check_answer(form, place, answer)
        for place, answer in form.mappings(
            (*path, "answers"), poll.get("answers"), _ANSWERS_MAX, required=True
        )
    ]
    layout_path = (*path, "layout_type")
    layout = form.choice(layout_path, poll.get("layout_type"), (_DEFAULT_LAYOUT,))
    hours = form.integer((*path, "duration"), poll.get("duration"), 1, _MAX_HOURS)
    several = form.boolean((*path, "allow_multiselect"), poll.get("allow_multiselect"))
    return {
        "question": {"text": text},
        "answers": answers,
        "duration": _DEFAULT_HOURS if hours is None else hours,
        "allow_multiselect": several,
        "layout_type": layout or _DEFAULT_LAYOUT,
    }


def new_poll(checked: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Make the poll object of a new message.

    :param seconds: when it is posted, since 1970
    """
    expiry = datetime.fromtimestamp(seconds, UTC) + timedelta(hours=checked["duration"])
    return {
        "question": checked["question"],
        "answers": [
            {"answer_id": number, "poll_media": media}
            for number, media in enumerate(checked["answers"], 1)
        ],
        "expiry": expiry.isoformat(),
        "allow_multiselect": checked["allow_multiselect"],
        "layout_type": checked["layout_type"],
        "results": {"is_finalized": False, "answer_counts": []},
    }


def _check_answer(form: Form, path: Path, answer: Mapping[str, object]) -> Mapping[str, Any]:
    place = (*path, "poll_media")
    media = form.mapping(place, answer.get("poll_media"), required=True)
    if media is None:
        return {}

    maximum = _ANSWER_MAX_CHARACTERS
    shown: dict[str, Any] = {
        "text": form.text((*place, "text"), media.get("text"), maximum, required=True)
    }
    emoji = form.mapping((*place, "emoji"), media.get("emoji"))
    if emoji:
        shown["emoji"] = {"id": emoji.get("id"), "name": emoji.get("name")}

    return shown
