"""Discord's rules for components, and the ids and defaults that it adds to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from lanrage_events.templates import utf16_units

from .._form import Form, Path
from .attachments import media_name

# https://docs.discord.com/developers/components/reference
_COMPONENTS_MAX = 40
_ROWS_MAX = 5
_BUTTONS_MAX = 5
_SECTION_TEXTS_MAX = 3
_GALLERY_ITEMS_MAX = 10
_LABEL_MAX_CHARACTERS = 80
_DESCRIPTION_MAX_CHARACTERS = 1024
_BUTTON_URL_MAX_CHARACTERS = 512
_CUSTOM_ID_MAX_CHARACTERS = 100
_COLOR_MAX = 0xFFFFFF
_SPACING_MAX = 2
_ID_MAX = (1 << 31) - 1

# Not in the documentation yet: https://github.com/discord/discord-api-docs/pull/8562
_TEXT_MAX_CHARACTERS = 4000

ROW = 1
BUTTON = 2
SELECTS = (3, 5, 6, 7, 8)
SECTION = 9
TEXT = 10
THUMBNAIL = 11
GALLERY = 12
FILE = 13
SEPARATOR = 14
CONTAINER = 17

_LEGACY_TYPES = (ROW,)
_TOP_TYPES = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER)
_ROW_TYPES = (BUTTON, *SELECTS)
_SECTION_TYPES = (TEXT,)
_ACCESSORY_TYPES = (BUTTON, THUMBNAIL)
_CONTAINER_TYPES = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR)

_STYLES = (1, 2, 3, 4, 5, 6)
_LINK_STYLE = 5
_PREMIUM_STYLE = 6

_Component = dict[str, Any]


def check_components(
    form: Form, value: object, *, modern: bool, filenames: Collection[str] = ()
) -> list[_Component]:
    """Check the components of a message, and return them as Discord shows them.

    :param modern: whether the message has the flag ``IS_COMPONENTS_V2``; otherwise there are
        only rows of buttons
    :param filenames: the files that ``attachment://`` may refer to
    """
    path: Path = ("components",)
    check = _Check(form, filenames)
    if modern:
        found = check.children(path, value, _TOP_TYPES, _COMPONENTS_MAX)
    else:
        found = check.children(path, value, _LEGACY_TYPES, _ROWS_MAX)

    # form.mappings() has rejected a list that is too long itself.
    items = value if isinstance(value, list) else []
    if check.count > _COMPONENTS_MAX >= len(items):
        form.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {_COMPONENTS_MAX} or fewer in length.")

    texts = sum(utf16_units(text) for text in displayed_texts(found))
    if texts > _TEXT_MAX_CHARACTERS:
        message = f"Components displayable text size exceeds maximum size of {_TEXT_MAX_CHARACTERS}"
        form.add(path, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)

    _number(found)
    return found


def displayed_texts(components: Sequence[_Component]) -> Iterator[str]:
    """Yield the texts of the text displays."""
    for component in _walk(components):
        if component.get("type") == TEXT:
            yield str(component.get("content", ""))


def shown_files(components: Sequence[_Component]) -> set[str]:
    """Return the names of the files that the components show."""
    names = set()
    for component in _walk(components):
        media = [component.get("media"), component.get("file")]
        media += [item.get("media") for item in component.get("items", ())]
        names |= {media_name(item.get("url")) for item in media if isinstance(item, dict)}

    return {name for name in names if name is not None}


class _Check:
    """Checks the components of one message, with what they must not have in common."""

    def __init__(self, form: Form, filenames: Collection[str]) -> None:
        self.count = 0
        self._form = form
        self._filenames = filenames
        self._ids: set[int] = set()
        self._custom_ids: set[str] = set()

    def children(
        self,
        path: Path,
        value: object,
        types: Sequence[int],
        maximum: int,
        *,
        required: bool = False,
    ) -> list[_Component]:
        return [
            self._component(place, child, types)
            for place, child in self._form.mappings(path, value, maximum, required=required)
        ]

    def _component(
        self, path: Path, component: Mapping[str, object], types: Sequence[int]
    ) -> _Component:
        self.count += 1
        form = self._form
        kind = component.get("type")
        if kind is None:
            form.require((*path, "type"))
            return {}

        if not isinstance(kind, int) or isinstance(kind, bool) or kind not in types:
            choices = f"({', '.join(map(str, types))}{',' if len(types) == 1 else ''})"
            message = f'Value of field "type" must be one of {choices}.'
            form.add((*path, "type"), "UNION_TYPE_CHOICES", message)
            return {}

        shown = {**component, "id": self._id(path, component)}
        checks = {
            ROW: self._row,
            BUTTON: self._button,
            SECTION: self._section,
            TEXT: self._text,
            THUMBNAIL: self._media,
            GALLERY: self._gallery,
            FILE: self._file,
            SEPARATOR: self._separator,
            CONTAINER: self._container,
        }
        checks.get(kind, self._select)(path, component, shown)
        return shown

    def _id(self, path: Path, component: Mapping[str, object]) -> int:
        """Check the id; 0 means that Discord makes one."""
        number = self._form.integer((*path, "id"), component.get("id"), 0, _ID_MAX) or 0
        if number in self._ids:
            # The text of Discord's error is not published.
            message = "Component id cannot be duplicated"
            self._form.add((*path, "id"), "COMPONENT_ID_DUPLICATED", message)
        elif number:
            self._ids.add(number)

        return number

    def _row(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        place = (*path, "components")
        value = component.get("components")
        shown["components"] = self.children(place, value, _ROW_TYPES, _BUTTONS_MAX, required=True)
        selects = [child for child in shown["components"] if child.get("type") in SELECTS]
        if selects and len(shown["components"]) > 1:
            message = "The specified component exceeds the maximum width"
            self._form.add(place, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)

    def _text(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        place = (*path, "content")
        value = component.get("content")
        maximum = _TEXT_MAX_CHARACTERS
        shown["content"] = self._form.text(place, value, maximum, minimum=1, required=True)

    def _section(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        place = (*path, "components")
        value = component.get("components")
        maximum = _SECTION_TEXTS_MAX
        shown["components"] = self.children(place, value, _SECTION_TYPES, maximum, required=True)
        place = (*path, "accessory")
        accessory = self._form.mapping(place, component.get("accessory"), required=True)
        if accessory is not None:
            shown["accessory"] = self._component(place, accessory, _ACCESSORY_TYPES)

    def _container(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        place = (*path, "components")
        value = component.get("components")
        shown["components"] = self.children(
            place, value, _CONTAINER_TYPES, _COMPONENTS_MAX, required=True
        )
        color = component.get("accent_color")
        shown["accent_color"] = self._form.integer((*path, "accent_color"), color, 0, _COLOR_MAX)
        shown["spoiler"] = self._form.boolean((*path, "spoiler"), component.get("spoiler"))

    def _gallery(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        place = (*path, "items")
        shown["items"] = []
        for item_path, item in self._form.mappings(
            place, component.get("items"), _GALLERY_ITEMS_MAX, required=True
        ):
            shown_item = dict(item)
            self._media(item_path, item, shown_item)
            shown["items"].append(shown_item)

    def _media(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        form = self._form
        description = component.get("description")
        form.text((*path, "description"), description, _DESCRIPTION_MAX_CHARACTERS)
        shown["spoiler"] = form.boolean((*path, "spoiler"), component.get("spoiler"))
        place = (*path, "media")
        media = form.mapping(place, component.get("media"), required=True)
        if media is not None:
            url = form.url((*place, "url"), media.get("url"), attachment=True, required=True)
            self._attachment((*place, "url"), url)
            # https://docs.discord.com/developers/components/reference#unfurled-media-item
            shown["media"] = {"url": url, "proxy_url": url, "width": None, "height": None}

    def _file(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        form = self._form
        shown["spoiler"] = form.boolean((*path, "spoiler"), component.get("spoiler"))
        place = (*path, "file")
        file = form.mapping(place, component.get("file"), required=True)
        if file is None:
            return

        place = (*place, "url")
        url = form.text(place, file.get("url"), _DESCRIPTION_MAX_CHARACTERS, required=True)
        if url and media_name(url) is None:
            message = "Scheme must be one of ('attachment',)."
            form.add(place, "URL_TYPE_INVALID_SCHEME", message)

        self._attachment(place, url)
        shown["file"] = {"url": url, "proxy_url": url}

    def _attachment(self, path: Path, url: str) -> None:
        name = media_name(url)
        if name is not None and name not in self._filenames:
            # Seen by others; its text is not published.
            code = "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"
            self._form.add(path, code, f'The referenced attachment "{name}" was not found')

    def _separator(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        form = self._form
        divider = component.get("divider")
        shown["divider"] = divider is None or form.boolean((*path, "divider"), divider)
        spacing = form.integer((*path, "spacing"), component.get("spacing"), 1, _SPACING_MAX)
        shown["spacing"] = 1 if spacing is None else spacing

    def _select(self, path: Path, component: Mapping[str, object], shown: _Component) -> None:
        self._custom_id(path, component)
        self._reject_interactive(path)

    def _button(self, path: Path, button: Mapping[str, object], shown: _Component) -> None:
        form = self._form
        form.text((*path, "label"), button.get("label"), _LABEL_MAX_CHARACTERS)
        form.boolean((*path, "disabled"), button.get("disabled"))
        form.mapping((*path, "emoji"), button.get("emoji"))
        style = form.choice((*path, "style"), button.get("style"), _STYLES, required=True)
        if style == _LINK_STYLE:
            if not button.get("label") and not button.get("emoji"):
                # https://github.com/discordjs/discord.js/issues/5675
                form.require((*path, "label"))

            form.url((*path, "url"), button.get("url"), required=True)
            form.text((*path, "url"), button.get("url"), _BUTTON_URL_MAX_CHARACTERS)
            self._forbid(path, button, "custom_id", "sku_id")
        elif style == _PREMIUM_STYLE:
            if button.get("sku_id") is None:
                form.require((*path, "sku_id"))

            self._forbid(path, button, "custom_id", "label", "url", "emoji")
            self._reject_interactive(path)
        elif style is not None:
            self._custom_id(path, button)
            self._forbid(path, button, "url", "sku_id")
            self._reject_interactive(path)

    def _custom_id(self, path: Path, component: Mapping[str, object]) -> None:
        place = (*path, "custom_id")
        custom_id = self._form.text(
            place, component.get("custom_id"), _CUSTOM_ID_MAX_CHARACTERS, minimum=1, required=True
        )
        if custom_id in self._custom_ids:
            message = "Component custom id cannot be duplicated"
            self._form.add(place, "COMPONENT_CUSTOM_ID_DUPLICATED", message)
        elif custom_id:
            self._custom_ids.add(custom_id)

    def _forbid(self, path: Path, button: Mapping[str, object], *keys: str) -> None:
        for key in keys:
            if button.get(key) is not None:
                # The text of Discord's error is not published.
                message = f"A button of this style cannot have a {key}"
                self._form.add((*path, key), "BUTTON_COMPONENT_FIELD_NOT_ALLOWED", message)

    def _reject_interactive(self, path: Path) -> None:
        # https://docs.discord.com/developers/resources/webhook#execute-webhook: only webhooks of an
        # application may send these. The text of Discord's error is not published.
        message = "Only webhooks of an application can send interactive components"
        self._form.add(path, "COMPONENT_INTERACTIVE", message)


def _walk(components: Sequence[_Component]) -> Iterator[_Component]:
    """Yield the components with those inside them, in the order in which they are shown."""
    for component in components:
        yield component
        yield from _walk(component.get("components", ()))
        if "accessory" in component:
            yield from _walk([component["accessory"]])


def _number(components: Sequence[_Component]) -> None:
    """Give each component without an id the next one that is free."""
    # https://docs.discord.com/developers/components/reference#anatomy-of-a-component
    used = {component.get("id") for component in _walk(components)}
    free = (number for number in count(1) if number not in used)
    for component in _walk(components):
        component["id"] = component.get("id") or next(free)
