"""What the API of the server itself takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from lanrage_events.config import ConfigModel

MAX_EVENTS = 1000
"""events that one request may bring"""
MAX_ENTRIES = 500
"""entries of an outbox that one answer holds, or one request changes by their ids"""

# SQLite's integers have 64 bits.
EntryId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class FieldError(ConfigModel):
    """What is wrong with one field."""

    path: str
    """such as ``players.0``; empty for the whole"""
    message: str
    """what was expected"""


class ProblemDetails(ConfigModel):
    """Why a request was refused, as RFC 9457 has it."""

    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    """what is wrong and the remedy"""
    errors: list[FieldError] = Field(default_factory=list)
    """what is wrong with single fields"""


class RefusedEvent(ConfigModel):
    """An event that is not valid."""

    index: int = Field(ge=0)
    """its position among those that were sent"""
    id: str | None
    errors: list[FieldError]


class FailedEvent(ConfigModel):
    """An event that is valid, and could not be taken: it may be sent again."""

    index: int = Field(ge=0)
    """its position among those that were sent"""
    id: str
    reason: str


class EventsProblem(ProblemDetails):
    """Why events were refused, and which were taken."""

    taken: list[str]
    """the ids of those that were taken, in the order in which they were sent"""
    repeated: list[str]
    """those of them that had been taken before, and were not published again"""
    refused: list[RefusedEvent]
    """those that are not valid"""
    failed: list[FailedEvent]
    """those that could not be taken, and may be sent again with the same id"""


class PublishQuery(ConfigModel):
    """How events are taken."""

    atomic: bool = False
    """whether none is taken if one of them is not valid"""


class EventsTaken(ConfigModel):
    """Every durable plugin has the events."""

    ids: list[str]
    """of all events, in the order in which they were sent"""
    repeated: list[str]
    """those of them that had been taken before, and were not published again"""


class EventTypeEntry(ConfigModel):
    """An event type that can be published."""

    type: str
    distribution: str | None
    """who brings it"""
    description: str
    schema_: dict[str, Any] = Field(alias="schema")
    """its JSON Schema"""


class EventTypes(ConfigModel):
    """The event types that can be published."""

    types: list[EventTypeEntry]


class StreamQuery(ConfigModel):
    """What of the live feed is told."""

    type: list[str] = Field(default_factory=list, max_length=100)
    """event types, or base types for all that derive from them; all if there is none"""
    last_event_id: str | None = None
    """in place of the header ``Last-Event-ID``: the id of the event after which to begin"""


class PluginEntry(ConfigModel):
    """What a plugin is and has done."""

    name: str
    state: Literal["starting", "running", "down", "stopped"]
    status: Literal["ok", "degraded", "failed"]
    detail: str
    """the reason for the status"""
    undelivered: int
    """events that it has taken and that have not arrived where they should"""
    pending: int
    """events that wait in its mailbox"""
    size: int
    """events that its mailbox holds"""
    when_full: Literal["block", "drop_oldest", "drop_newest"]
    handled: int
    failed: int
    dropped: int
    restarts: int


class PluginList(ConfigModel):
    """The plugins of the bus."""

    plugins: list[PluginEntry]


class Alive(ConfigModel):
    """The bus lives."""

    status: Literal["ok"]


class Readiness(ConfigModel):
    """Whether every plugin does its work, at least in part."""

    status: Literal["ready", "not ready"]
    plugins: dict[str, Literal["ok", "degraded", "failed"]]


class LaneEntry(ConfigModel):
    """How one lane of an outbox stands."""

    name: str
    pending: int
    dead: int
    oldest: datetime | None
    """when the first entry that waits was put"""
    postponed_until: datetime | None
    """when it may be tried again, if it waits for a time"""
    until_resumed: bool
    """whether it waits until somebody retries it"""
    last_error: str


class OutboxSummary(ConfigModel):
    """How the outbox of a plugin stands."""

    plugin: str
    pending: int
    """entries that wait"""
    dead: int
    """dead letters"""
    oldest: datetime | None
    """when the first entry that waits was put"""
    problem: str | None
    """why it cannot be read or written, if so"""
    lanes: list[LaneEntry]
    """those that hold something or wait"""


class OutboxList(ConfigModel):
    """The outboxes of the plugins."""

    outboxes: list[OutboxSummary]


class EntriesQuery(ConfigModel):
    """Which entries are told."""

    lane: str | None = None
    """only of this lane"""
    kind: Literal["pending", "dead"] | None = None
    """only those that wait, or only dead letters"""
    after: int = Field(default=0, ge=0, le=2**63 - 1)
    """only with higher ids, such as ``next`` of the page before"""
    limit: int = Field(default=100, ge=1, le=MAX_ENTRIES)
    """how many at most"""


class Entry(ConfigModel):
    """An entry of an outbox."""

    id: int
    lane: str
    label: str
    """such as the event type"""
    put: AwareDatetime
    """when it was put"""
    attempts: int
    """how often it was postponed by itself"""
    kind: Literal["pending", "dead"]
    reason: str
    """why it was postponed last or given up"""
    detail: str
    """what the receiver said exactly"""
    expires: AwareDatetime | None
    """when it is no longer worth delivering"""
    body: str
    """what is delivered, without secrets"""


class Entries(ConfigModel):
    """A page of entries, in the order in which they were put."""

    entries: list[Entry]
    next: int | None
    """what to pass as ``after`` for the next page, if there is one"""


class Chosen(ConfigModel):
    """Either some entries by their ids, or a lane with all that is in it."""

    # A text is no number here.
    model_config = ConfigDict(strict=True)

    ids: list[EntryId] | None = Field(default=None, min_length=1, max_length=MAX_ENTRIES)
    lane: str | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.ids is None) == (self.lane is None):
            raise ValueError("exactly one of 'ids' and 'lane' is expected")

        return self


class Count(ConfigModel):
    """How many entries were changed; those that do not exist are not among them."""

    count: int
