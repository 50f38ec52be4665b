"""Discord's limits on components and polls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ._form import Form, Path

# https://docs.discord.com/developers/components/reference
_COMPONENTS_MAX = 40
_ROWS_MAX = 5
_BUTTONS_MAX = 5
_LABEL_MAX_CHARACTERS = 80
_BUTTON_URL_MAX_CHARACTERS = 512
_CUSTOM_ID_MAX_CHARACTERS = 100
_ACTION_ROW = 1
_BUTTON = 2
_SELECTS = frozenset({3, 5, 6, 7, 8})
_LINK_STYLE = 5
_LAST_TYPE = 25

# https://docs.discord.com/developers/resources/poll#poll-create-request-object
_QUESTION_MAX_CHARACTERS = 300
_ANSWER_MAX_CHARACTERS = 55
_ANSWERS_MAX = 10
_POLL_MAX_HOURS = 32 * 24


def check_components(form: Form, value: object, *, modern: bool) -> Sequence[object]:
    """Check the components of a message.

    :param modern: whether the message has the flag ``IS_COMPONENTS_V2``; otherwise there are
        only rows of buttons
    """
    path = ("components",)
    total = 0
    for place, component in form.mappings(path, value, _COMPONENTS_MAX if modern else _ROWS_MAX):
        if not modern and component.get("type") != _ACTION_ROW:
            message = f"Value must be one of ({_ACTION_ROW},)."
            form.add((*place, "type"), "BASE_TYPE_CHOICES", message)

        total += _check_component(form, place, component)

    # form.mappings() has rejected a list that is too long itself.
    items = value if isinstance(value, list) else []
    if total > _COMPONENTS_MAX >= len(items):
        form.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {_COMPONENTS_MAX} or fewer in length.")

    return items


def _check_component(form: Form, path: Path, component: Mapping[str, object]) -> int:
    """Return how many components this is, with those inside it."""
    kind = form.integer((*path, "type"), component.get("type") or 0, _ACTION_ROW, _LAST_TYPE)
    if kind == _BUTTON:
        _check_button(form, path, component)
    elif kind in _SELECTS:
        _reject_interactive(form, path)

    total = 1
    for place, child in form.mappings(
        (*path, "components"),
        component.get("components"),
        _BUTTONS_MAX if kind == _ACTION_ROW else _COMPONENTS_MAX,
        required=kind == _ACTION_ROW,
    ):
        total += _check_component(form, place, child)

    accessory = form.mapping((*path, "accessory"), component.get("accessory"))
    if accessory is not None:
        total += _check_component(form, (*path, "accessory"), accessory)

    return total


def _check_button(form: Form, path: Path, button: Mapping[str, object]) -> None:
    form.text((*path, "label"), button.get("label"), _LABEL_MAX_CHARACTERS)
    if button.get("style") != _LINK_STYLE:
        form.text(
            (*path, "custom_id"),
            button.get("custom_id"),
            _CUSTOM_ID_MAX_CHARACTERS,
            minimum=1,
            required=True,
        )
        _reject_interactive(form, path)
        return

    form.url((*path, "url"), button.get("url"), required=True)
    form.text((*path, "url"), button.get("url"), _BUTTON_URL_MAX_CHARACTERS)


def _reject_interactive(form: Form, path: Path) -> None:
    # https://docs.discord.com/developers/resources/webhook#execute-webhook: only webhooks of an
    # application may send these. The text of Discord's error is not published.
    message = "Only webhooks of an application can send interactive components"
    form.add(path, "COMPONENT_INTERACTIVE", message)


def check_poll(form: Form, value: object) -> Mapping[str, object]:
    """Check a poll."""
    path: Path = ("poll",)
    poll = form.mapping(path, value)
    if poll is None:
        return {}

    question = form.mapping((*path, "question"), poll.get("question"), required=True)
    if question is not None:
        place: Path = (*path, "question", "text")
        form.text(place, question.get("text"), _QUESTION_MAX_CHARACTERS, required=True)

    for place, answer in form.mappings(
        (*path, "answers"), poll.get("answers"), _ANSWERS_MAX, required=True
    ):
        media = form.mapping((*place, "poll_media"), answer.get("poll_media"), required=True)
        if media is not None:
            place = (*place, "poll_media", "text")
            form.text(place, media.get("text"), _ANSWER_MAX_CHARACTERS, required=True)

    form.integer((*path, "duration"), poll.get("duration"), 1, _POLL_MAX_HOURS)
    return poll
