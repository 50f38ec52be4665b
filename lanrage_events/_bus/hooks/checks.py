"""The checks of hook implementations and handlers: mistakes are errors before the first event."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property, singledispatchmethod
from typing import Any, TypeAlias

import pluggy

from ..._events import Event
from ..threads import TRANSFORM, is_async
from .annotations import check_parameter, parameter_classes, takes_some
from .arguments import argument_problem
from .code import forgotten_await, inner_functions
from .deliveries import delivery_of
from .handlers import MarkedHandler, is_function, marked_problem
from .names import BATCH_HOOK, LIFESPAN, OTHER_HOOKS
from .unmarked import is_marked, own_functions, unmarked_problems

_MAY_BE_ASYNC = frozenset({BATCH_HOOK, "check_online", "forget"})
_RETURN_ONE = frozenset({BATCH_HOOK, "check_online", "forget", "health"})
"""the other hooks that are no generators"""
_REQUIRED = "transform_required"

Problem: TypeAlias = tuple[str, bool]
"""what is wrong, and whether it works all the same"""


@asynccontextmanager
async def _async_manager() -> AsyncIterator[None]:
    yield


@contextmanager
def _manager() -> Iterator[None]:
    yield


def implementations(
    manager: pluggy.PluginManager, plugin: object, name: str
) -> list[tuple[str, pluggy.HookImpl]]:
    """Return what a plugin marks with ``hookimpl``, each with the name of its hook."""
    found = []
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            function = getattr(plugin, attribute)
            impl = pluggy.HookImpl(plugin, name, function, options)
            found.append((options.get("specname") or attribute, impl))

    return found


def plugin_problems(
    plugin: object,
    impls: Iterable[tuple[str, pluggy.HookImpl]],
    handlers: Iterable[MarkedHandler],
    hooks: Mapping[str, Sequence[str]],
    classes_of: Callable[[str], Sequence[type[Event]]],
) -> Iterator[Problem]:
    """Yield what is wrong with a plugin, but not whether its hooks exist: another plugin may add them.

    :param impls: its implementations, each with the name of its hook
    :param handlers: its methods that are marked with ``on``
    :param hooks: the arguments of each known hook
    :param classes_of: returns the event classes whose hook one is
    """
    implemented = {event_class.type for h in handlers for event_class in h.event_classes}
    for hook, impl in impls:
        implemented.add(hook)
        classes = classes_of(hook) if hook in hooks else None
        for problem, works in hook_problems(hook, impl, hooks.get(hook), classes):
            yield f"hook '{hook}' {problem}", works
            break

    for problem in filter(None, map(marked_problem, handlers)):
        yield problem, False

    yield from _wrong_marks(plugin)
    unmarked = list(unmarked_problems(plugin, hooks, implemented))
    if not any(f"'{TRANSFORM}'" in text for text, works in unmarked if not works):
        yield from _lacks_required(plugin, implemented)

    single = sorted(hook for hook in implemented if hook not in OTHER_HOOKS)
    if BATCH_HOOK in implemented and single:
        problem = (
            f"implements both '{BATCH_HOOK}' and '{single[0]}': a plugin gets its events either"
        )
        yield f"{problem} in batches or one by one", False

    yield from unmarked
    yield from _unseen_delivery(plugin, implemented)
    yield from _forgotten_awaits(plugin)


def _unseen_delivery(plugin: object, implemented: Collection[str]) -> Iterator[Problem]:
    """Find a delivery of which nobody can know why it does not deliver."""
    unseen = [hook for hook in ("health", "outbox") if hook not in implemented]
    if unseen and delivery_of(plugin) is not None:
        hooks = " and no hook ".join(f"'{hook}'" for hook in unseen)
        remedy = "return its health() and its outbox from these hooks"
        problem = (
            f"has a Delivery, but no hook {hooks}, so that nobody sees what it does not deliver"
        )
        yield f"{problem}: {remedy}", True


def _forgotten_awaits(plugin: object) -> Iterator[Problem]:
    for name, function, _ in own_functions(plugin):
        inner = next(inner_functions(function), function)
        called = forgotten_await(inner, plugin)
        if called is None:
            continue

        is_async = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
        instead = "use bus.publish_nowait, or " if called == "bus.publish" else ""
        remedy = "await it" if is_async else f"{instead}make it 'async def' and await it"
        yield (
            f"'{name}' calls {called} without 'await', so that nothing happens: {remedy}",
            True,
        )


def hook_problems(
    hook: str,
    impl: pluggy.HookImpl,
    arguments: Sequence[str] | None,
    event_classes: Sequence[type[Event]] | None,
) -> Iterator[Problem]:
    """Yield what is wrong with the implementation of a hook.

    :param arguments: what it is called with; None if the hook is not known
    :param event_classes: those whose hook it is, only one of which has to fit; None if it is not known
    """
    function = impl.function
    given = impl.argnames if arguments is None else arguments
    problem = argument_problem(function, impl.argnames, given)
    if problem is not None:
        yield problem, False

    if event_classes is None:
        return

    is_about_events = hook not in OTHER_HOOKS or hook == BATCH_HOOK
    if is_about_events and (impl.hookwrapper or impl.wrapper or impl.tryfirst or impl.trylast):
        problem = (
            "is a wrapper, tryfirst or trylast: each plugin gets events on its own, so use a plain"
        )
        yield f"{problem} hookimpl", False

    yield from _wrong_kind(hook, function)
    if impl.opts.get("threaded") and not is_about_events:
        events = f"hooks for events and '{BATCH_HOOK}'"
        yield f"is threaded: only {events} can run in a thread", False
    elif impl.opts.get("threaded") and is_async(function):
        remedy = "make it a plain 'def', or omit 'threaded'"
        yield f"is async, so it cannot be threaded: {remedy}", False

    if is_about_events and not impl.argnames and _takes_any(function):
        remedy = "name the one that it needs, or use functools.wraps in what decorates it"
        yield f"takes any arguments, and so gets none: {remedy}", True
    elif hook == BATCH_HOOK and all(issubclass(cls, Event) for cls in parameter_classes(function)):
        problem = "is called with several events, but its parameter is annotated with one"
        yield f"{problem}: annotate it Sequence[Event]", False
    elif impl.argnames:
        yield from _wrong_annotation(function, event_classes)


def _wrong_annotation(
    function: Callable[..., Any], event_classes: Sequence[type[Event]]
) -> Iterator[Problem]:
    problem = None
    for event_class in event_classes:
        try:
            check_parameter(function, [event_class], "mark it @on({}) instead")
            return
        except TypeError as error:
            problem = str(error)

    if problem is not None:  # it may sort out itself the events that its annotation excludes
        yield problem, takes_some(function, event_classes)


def _takes_any(function: Callable[..., Any]) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_VARARGS)


def _wrong_kind(hook: str, function: Callable[..., Any]) -> Iterator[Problem]:
    """Find a generator that nobody iterates, and what is async if nobody awaits it."""
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if hook == LIFESPAN:
        yield from _wrong_lifespan(function, is_generator)
    elif is_generator and (hook not in OTHER_HOOKS or hook in _RETURN_ONE):
        yield "is a generator, which would never run: omit 'yield'", False
    elif is_async(function) and hook in OTHER_HOOKS - _MAY_BE_ASYNC:
        yield "is async, and nothing would await it: make it a plain 'def'", False


def _wrong_lifespan(function: Callable[..., Any], is_generator: bool) -> Iterator[Problem]:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    inner = getattr(function, "__wrapped__", None)
    if is_generator or is_async(function):
        yield "is not a context manager: decorate it with @asynccontextmanager", False
    elif code is _manager.__code__:
        remedy = "decorate it with @asynccontextmanager, and write 'async def'"
        yield f"is decorated with @contextmanager, which is sync: {remedy}", False
    elif code is _async_manager.__code__ and inspect.iscoroutinefunction(inner):
        yield "has no 'yield': yield once, where the plugin is to run", False
    elif code is _async_manager.__code__ and inspect.isgeneratorfunction(inner):
        yield "is not async: write 'async def'", False


def _wrong_marks(plugin: object) -> Iterator[Problem]:
    """Find what is marked as a hook and is no function, since nothing else is called."""
    for name in dir(plugin):
        value = inspect.getattr_static(plugin, name, None)
        if is_function(value):
            continue

        inside, kind = None, type(value)
        if issubclass(kind, property | cached_property | singledispatchmethod):
            inside = getattr(value, "fget" if issubclass(kind, property) else "func")

        if is_marked(value) or is_marked(inside):
            problem = (
                f"attribute '{name}' is marked as a hook, but is a {kind.__name__}, which is never"
            )
            yield f"{problem} called: mark a method that calls it, written with 'def'", False


def _lacks_required(plugin: object, implemented: Collection[str]) -> Iterator[Problem]:
    """Find a plugin whose transform is required and that has none: events would pass unchanged."""
    if not hasattr(plugin, _REQUIRED):
        if getattr(plugin, _REQUIRED.upper(), None) is True:
            remedy = f"write {_REQUIRED} = True"
            yield f"has the constant {_REQUIRED.upper()}, which nothing reads: {remedy}", False
    elif getattr(plugin, _REQUIRED) is True and TRANSFORM not in implemented:
        remedy = "mark its function 'transform' with @hookimpl, or omit the attribute"
        problem = f"declares {_REQUIRED} = True, but has no hook '{TRANSFORM}'"
        yield f"{problem}: {remedy}", False
