"""The waits that receivers ask for, which a restart must not shorten."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2s
from math import isfinite
from pathlib import Path
from typing import Any

from .._events import utc_now
from ..backoff import MAX_RETRY_AFTER
from ..state import StateFile

LONG_WAIT_SECONDS = 2.5
"""a shorter wait is not kept: it is over when the next process has started"""
REASON_MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Wait:
    """What the receiver of a lane asked for."""

    until: float
    """seconds since 1970"""
    reason: str
    receiver: str


class Waits:
    """What is still to be waited for, by lane, in a small file that the next process reads.

    Times in it are seconds from when it was written, so that a clock that is set lengthens no wait.

    :param path: the file; None to keep nothing
    :param receivers: by lane, who receives it, of which a hash is kept; a wait is for one receiver
    :param logger: reports a file that cannot be used, which shortens waits and harms nothing else
    """

    def __init__(
        self, path: Path | None, receivers: Mapping[str, str], logger: logging.Logger
    ) -> None:
        self._file = StateFile(path, survives_power_loss=False)
        self._receivers = receivers
        self._logger = logger
        self._waits: dict[str, Wait] = {}
        self._is_writable = True
        try:
            self._waits = _parse(self._file.read({}))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._logger.warning("%s is ignored, since it cannot be read: %s", path, error)

    def begin(self, lane: str, seconds: float, reason: str) -> None:
        """Keep that the receiver of a lane asked to wait."""
        if seconds >= LONG_WAIT_SECONDS:
            until = utc_now().timestamp() + seconds
            self._waits[lane] = Wait(until, reason[:REASON_MAX_CHARACTERS], self._receiver(lane))
            self._write()

    def end(self, lane: str) -> None:
        """Forget what the receiver of a lane asked for."""
        if self._waits.pop(lane, None) is not None:
            self._write()

    def left(self, lane: str) -> tuple[float, str] | None:
        """Return the seconds that a lane still waits, and why; None if it does not wait."""
        wait = self._waits.get(lane)
        if wait is None or wait.receiver != self._receiver(lane):
            return None

        seconds = wait.until - utc_now().timestamp()
        return (seconds, wait.reason) if seconds > 0 else None

    def _receiver(self, lane: str) -> str:
        return blake2s(self._receivers.get(lane, "").encode(), digest_size=8).hexdigest()

    def _write(self) -> None:
        now = utc_now().timestamp()
        self._waits = {lane: wait for lane, wait in self._waits.items() if wait.until > now}
        lanes = {
            lane: {
                "seconds": round(wait.until - now, 3),
                "reason": wait.reason,
                "receiver": wait.receiver,
            }
            for lane, wait in self._waits.items()
        }
        try:
            self._file.write({"written": now, "lanes": lanes})
        except OSError as error:
            if self._is_writable:
                self._logger.warning(
                    "what receivers ask to wait cannot be kept in %s, so a restart forgets it: %s",
                    self._file.path,
                    error,
                )

            self._is_writable = False
        else:
            self._is_writable = True


def waits_beside(outbox: Path) -> dict[str, datetime]:
    """Return until when the lanes of an outbox wait, by lane, as their receivers asked.

    :param outbox: the file of a delivery's outbox; of another one, nothing is known
    """
    try:
        waits = _parse(StateFile(waits_path(outbox.parent, outbox.stem)).read({}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}

    now = utc_now().timestamp()
    times = {lane: wait.until for lane, wait in waits.items() if wait.until > now}
    return {lane: datetime.fromtimestamp(time, UTC) for lane, time in times.items()}


def waits_path(folder: Path, plugin: str) -> Path:
    """Return the file of a plugin's waits."""
    return folder / f"{plugin}.waits.json"


def _parse(data: Mapping[str, Any]) -> dict[str, Wait]:
    now = utc_now().timestamp()
    waits: dict[str, Wait] = {}
    if not data:
        return waits

    # If the clock was set back, a wait is as long as it was when it was written.
    began = min(float(data["written"]), now)
    for lane, wait in data["lanes"].items():
        seconds, reason = float(wait["seconds"]), str(wait["reason"])
        if not (isfinite(began) and isfinite(seconds) and reason.isprintable()):
            raise ValueError("it is damaged")

        waits[lane] = Wait(began + min(seconds, MAX_RETRY_AFTER), reason, str(wait["receiver"]))

    return waits
