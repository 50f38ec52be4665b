"""Scripted faults: what goes wrong with which requests."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypedDict, Unpack

import anyio

from ._journal import Action, Scope, StandInRequest
from ._limits import Limits
from ._messages import texts_of
from ._network import Network
from ._reply import Reply, cloudflare, error, phrase, plain, rate_limited
from ._webhooks import StandInWebhook

_UNREACHABLE = "upstream connect error or disconnect/reset before headers"


@dataclass(frozen=True, slots=True)
class Fail:
    """An answer with an error; the request is not carried out and counts towards no limit."""

    status: int = 503
    """status of the answer, from 300 to 599"""
    code: int = 0
    """Discord's own error code, such as 40004"""
    message: str = ""
    """Discord's text for it"""
    retry_after: float | None = None
    """seconds that a 429 asks to wait, 1 if not given"""
    scope: Scope = "user"
    """which limit a 429 stands for"""
    html: bool = False
    """whether Cloudflare answers instead of Discord: HTML, without ``Via``"""

    def __post_init__(self) -> None:
        if not 300 <= self.status <= 599:
            raise ValueError(f"status is {self.status}, expected 300 to 599")

    def reply(self) -> Reply:
        """Return the answer."""
        words = self.message or f"{self.status}: {phrase(self.status)}"
        if self.html:
            page = f"<!DOCTYPE html>\n<html><body><h1>{words}</h1></body></html>\n"
            reason = f"{self.status} from Cloudflare"
            return cloudflare(self.status, page, reason=reason, retry_after=self.retry_after)

        if self.status == 429:
            seconds = 1.0 if self.retry_after is None else self.retry_after
            words = self.message or "You are being rate limited."
            return rate_limited(seconds, self.scope, message=words, code=self.code)

        # Discord's own 500 is JSON: https://github.com/discord/discord-api-docs/issues/7528
        if self.status > 500 and not self.code:
            return plain(self.status, self.message or _UNREACHABLE)

        return error(self.status, self.code, words)


@dataclass(frozen=True, slots=True)
class Reset:
    """A connection that is reset instead of answered."""

    accepted: bool = False
    """whether Discord does what was asked before; the client cannot tell"""


@dataclass(frozen=True, slots=True)
class Hang:
    """An answer that is late."""

    seconds: float = float("inf")
    """how late; the default is never"""
    accepted: bool = True
    """whether Discord does what was asked at once; otherwise after the seconds, if the client
    is still there"""


@dataclass(frozen=True, slots=True)
class Drip:
    """An answer that arrives byte by byte."""

    seconds: float
    """from its first byte to its last"""


Fault: TypeAlias = Fail | Reset | Hang | Drip
"""What can happen to one request."""

Script: TypeAlias = Callable[[StandInRequest], Fault | None]
"""Chooses what happens to a request; None lets it pass."""


class When(TypedDict, total=False):
    """Which requests a fault hits; without any of these, the next one."""

    times: int
    """how many requests it hits at most: 1, or without bound if ``lasting``, ``probability`` or
    ``containing`` is given"""
    skip: int
    """how many requests it lets pass first"""
    after: float
    """seconds from now until it begins"""
    lasting: float
    """seconds from its beginning to its end"""
    probability: float
    """the share of requests that it hits, from 0 to 1"""
    seed: int
    """another number gives another choice with the same probability"""
    webhook: StandInWebhook
    """only requests to this webhook"""
    action: Action
    """only requests that ask for this, such as ``execute``"""
    containing: str
    """only requests that have this in a text of their body, each time"""


class _Rule:
    def __init__(self, script: Script, when: When, ordinal: int, times: int | None) -> None:
        probability = when.get("probability", 1.0)
        if not 0 <= probability <= 1:
            raise ValueError(f"probability is {probability}, expected 0 to 1")

        self._script = script
        self._times = when.get("times", times)
        self._skip = when.get("skip", 0)
        self._probability = probability
        # Each rule draws numbers of its own, or two rules with one seed would hit the same requests.
        self._random = random.Random(f"{when.get('seed', 0)}/{ordinal}")  # noqa: S311
        webhook = when.get("webhook")
        self._webhook_id = None if webhook is None else webhook.id
        self._action = when.get("action")
        self._containing = when.get("containing")
        self._begins, self._ends = float("-inf"), float("inf")
        if "after" in when or "lasting" in when:
            self._begins = anyio.current_time() + when.get("after", 0.0)
            self._ends = self._begins + when.get("lasting", float("inf"))

    def apply(self, request: StandInRequest) -> Fault | None:
        if self._times == 0 or not self._begins <= request.time < self._ends:
            return None

        if self._webhook_id not in (None, request.webhook_id):
            return None

        if self._action not in (None, request.action):
            return None

        wanted = self._containing
        if wanted is not None and not any(wanted in text for text in texts_of(request.body)):
            return None

        if self._skip > 0:
            self._skip -= 1
            return None

        if self._random.random() >= self._probability:
            return None

        fault = self._script(request)
        if fault is not None and self._times is not None:
            self._times -= 1

        return fault


class Faults:
    """What goes wrong, by script; a request meets the first fault that wants it."""

    def __init__(self, network: Network, limits: Limits) -> None:
        self._network = network
        self._limits = limits
        self._rules: list[_Rule] = []
        self._ordinal = 0

    def fail(
        self,
        status: int = 503,
        *,
        code: int = 0,
        message: str = "",
        retry_after: float | None = None,
        scope: Scope = "user",
        html: bool = False,
        **when: Unpack[When],
    ) -> None:
        """Answer with an error instead of doing what is asked.

        :param status: status of the answer
        :param code: Discord's own error code
        :param message: Discord's text for it
        :param retry_after: seconds that a 429 asks to wait
        :param scope: which limit a 429 stands for
        :param html: answer as Cloudflare does
        :param when: which requests are hit, see :class:`When`
        """
        self._add(Fail(status, code, message, retry_after, scope, html), when)

    def reset(self, *, accepted: bool = False, **when: Unpack[When]) -> None:
        """Reset the connection instead of answering.

        :param accepted: do what is asked before
        :param when: which requests are hit, see :class:`When`
        """
        self._add(Reset(accepted), when)

    def hang(
        self, seconds: float = float("inf"), *, accepted: bool = True, **when: Unpack[When]
    ) -> None:
        """Answer late.

        :param seconds: how late; the default is never
        :param accepted: do what is asked at once, not after the seconds
        :param when: which requests are hit, see :class:`When`
        """
        self._add(Hang(seconds, accepted), when)

    def drip(self, seconds: float, **when: Unpack[When]) -> None:
        """Answer byte by byte.

        :param seconds: from the first byte of the answer to its last
        :param when: which requests are hit, see :class:`When`
        """
        self._add(Drip(seconds), when)

    def script(self, script: Script, **when: Unpack[When]) -> None:
        """Ask a function what happens to each request.

        :param script: called with the request; returns a fault, or None to let it pass
        :param when: which requests the function is asked about, see :class:`When`; without
            ``times`` there is no bound
        """
        self._rules.append(_Rule(script, when, self._next(), None))

    def refuse_connections(self, seconds: float) -> None:
        """Reset every connection now and refuse new ones for some seconds.

        :param seconds: how long; infinite until :meth:`clear`
        """
        self._network.cut(seconds)

    def ban(self, seconds: float) -> None:
        """Ban the client's address now, as Cloudflare does after too many invalid requests.

        :param seconds: how long
        """
        self._limits.ban(seconds, anyio.current_time())

    def clear(self) -> None:
        """End every fault, outage and ban."""
        self._rules.clear()
        self._network.restore()
        self._limits.unban()

    def _add(self, fault: Fault, when: When) -> None:
        bounded = not {"lasting", "probability", "containing"} & when.keys()
        self._rules.append(_Rule(lambda _: fault, when, self._next(), 1 if bounded else None))

    def _next(self) -> int:
        self._ordinal += 1
        return self._ordinal

    def _pick(self, request: StandInRequest) -> Fault | None:
        for rule in self._rules:
            fault = rule.apply(request)
            if fault is not None:
                return fault

        return None
