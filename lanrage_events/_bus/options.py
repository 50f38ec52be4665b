"""The options of a bus, of its plugins and of what subscribes: which there are, and valid values."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from .._hints import did_you_mean
from .._times import check_seconds
from ..abc import DEFAULT_MAILBOX_SIZE, Instrument, PluginOptions, WhenFull

_KINDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "mailbox_size": ("a whole number", (int,)),
    "when_full": ("a text", (str,)),
    "hook_timeout": ("a number of seconds", (int, float)),
    "start_timeout": ("a number of seconds", (int, float)),
    "durable": ("True or False", (bool,)),
    "transform_required": ("True or False", (bool,)),
}
"""the attributes of a plugin that say how it is run"""


class PluginSettings:
    """How a plugin is run: its options, by default its attributes.

    :raises TypeError: if an option is unknown, an attribute misspelt, or a value of another kind
    :raises ValueError: if a value is out of range, also if an option takes the place of an attribute
    """

    def __init__(self, plugin: object, options: PluginOptions) -> None:
        _check_known(options)
        _check_spelling(plugin)

        def option(name: str, default: Any) -> Any:
            given = options.get(name)
            values = [getattr(plugin, name, default), default if given is None else given]
            for value in values:
                if value is not default:
                    check_kinds(**{name: value})

            return values[given is not None]

        self.options = options
        self.size: int = option("mailbox_size", DEFAULT_MAILBOX_SIZE)
        self.when_full: WhenFull = option("when_full", "drop_oldest")
        self.hook_timeout: float | None = option("hook_timeout", None)
        self.start_timeout: float | None = option("start_timeout", None)
        self.durable: bool = option("durable", False)
        self.transform_required: bool = option("transform_required", False)


def check_kinds(**options: object) -> None:
    """Check the values of options.

    :raises TypeError: if one is of the wrong kind
    :raises ValueError: if one is out of range
    """
    for name, value in options.items():
        if not _fits(name, value):
            raise TypeError(f"{name} must be {_KINDS[name][0]}, not {value!r}")

        if name == "when_full" and value not in get_args(WhenFull):
            raise ValueError(
                f"{name} must be one of {', '.join(get_args(WhenFull))}, not {value!r}"
            )

        if name == "mailbox_size" and isinstance(value, int) and value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")

        if name in ("hook_timeout", "start_timeout"):
            check_seconds(name, value)


def check_bus(bus: object, kind: type) -> None:
    """Check that something is a bus.

    :raises TypeError: if not
    """
    if not isinstance(bus, kind):
        found = f"the class {bus.__name__}" if isinstance(bus, type) else repr(bus)
        raise TypeError(
            f"an {kind.__name__} was expected, not {found}: create one, {kind.__name__}()"
        )


def check_places(templates: object, state_folder: object, instruments: object) -> None:
    """Check the folders and the instruments that a bus is created with.

    :raises TypeError: if they are of the wrong kind
    """
    for name, values, kind in (
        ("templates", templates, Path),
        ("instruments", instruments, Instrument),
    ):
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(f"{name} must be a list of {kind.__name__}, not {values!r}")

        for value in values:
            if not isinstance(value, kind):
                remedy = "wrap it in pathlib.Path(…)" if kind is Path else "give an instance of one"
                raise TypeError(f"{name} has {value!r}, which is no {kind.__name__}: {remedy}")

    if state_folder is not None and not isinstance(state_folder, Path):
        raise TypeError(
            f"state_folder must be a pathlib.Path or None, not {state_folder!r}: wrap it in Path(…)"
        )


def _fits(name: str, value: object) -> bool:
    kinds = _KINDS[name][1]
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _check_known(options: PluginOptions) -> None:
    known = PluginOptions.__optional_keys__
    for name in options:
        if name in _KINDS.keys() - known:
            raise TypeError(f"'{name}' is no option: set it as an attribute of the plugin")

        if name not in known:
            hint = did_you_mean(name, known) or f", known are {', '.join(sorted(known))}"
            raise TypeError(f"there is no option '{name}' of a plugin{hint}")


def _check_spelling(plugin: object) -> None:
    """Check that no attribute of a plugin is a misspelt option: one letter off, with a value for it."""
    owners = [plugin] if isinstance(plugin, types.ModuleType) else [*type(plugin).__mro__[:-1]]
    attributes: dict[str, object] = {}
    for owner in reversed(owners):
        attributes.update(vars(owner))

    attributes.update(getattr(plugin, "__dict__", {}))
    for name, value in attributes.items():
        if name.startswith("_") or name.isupper():  # a constant may be where the value comes from
            continue

        for option in _KINDS.keys() - attributes.keys():
            if _is_near(name, option) and _fits(option, value):
                raise TypeError(
                    f"the plugin has an attribute '{name}', did you mean '{option}'? "
                    "If it is for another purpose, rename it"
                )


def _is_near(name: str, option: str) -> bool:
    """Return whether a name is an option but for case, underscores and one letter."""
    found, wanted = (text.lower().replace("_", "") for text in (name, option))
    start = 0
    while start < min(len(found), len(wanted)) and found[start] == wanted[start]:
        start += 1

    rest, expected = found[start:], wanted[start:]
    return (
        rest[1:] == expected[1:]
        or rest[1:] == expected
        or rest == expected[1:]
        or (sorted(rest[:2]) == sorted(expected[:2]) and rest[2:] == expected[2:])
    )
