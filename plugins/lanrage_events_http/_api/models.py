"""The models of the server's own API; their docstrings stand in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from lanrage_events.config import ConfigModel
from lanrage_events.http import Scope

MAX_EVENTS = 1000
"""events in one request"""
MAX_ENTRIES = 500
"""entries of an outbox in one answer, or in one request by their ids"""

# SQLite's integers have 64 bits.
EntryId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class FieldError(ConfigModel):
    """What is wrong with one field."""

    path: str
    """such as ``players.0``; empty for the whole body"""
    message: str
    """what was expected"""


class ProblemDetails(ConfigModel):
    """Why a request was rejected, as problem details of RFC 9457."""

    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    """what is wrong and the remedy"""
    errors: list[FieldError] = Field(default_factory=list)
    """what is wrong with single fields"""


class RefusedEvent(ConfigModel):
    """An event that is not valid."""

    index: int = Field(ge=0)
    """its position in the request"""
    id: str | None
    errors: list[FieldError]


class FailedEvent(ConfigModel):
    """A valid event that could not be accepted: it may be sent again."""

    index: int = Field(ge=0)
    """its position in the request"""
    id: str
    reason: str


class DroppedFields(ConfigModel):
    """The fields of an accepted event that were dropped, since its type does not have them."""

    index: int = Field(ge=0)
    """its position in the request"""
    id: str
    fields: list[FieldError]


class EventsProblem(ProblemDetails):
    """Why events were rejected, and which were accepted."""

    taken: list[str]
    """the ids of the accepted events, in the order of the request"""
    repeated: list[str]
    """those that had been accepted before, and were not published again"""
    refused: list[RefusedEvent]
    """the events that are not valid"""
    failed: list[FailedEvent]
    """the events that could not be accepted; they may be sent again with the same id"""
    dropped: list[DroppedFields] = Field(default_factory=list)
    """the fields that were dropped from valid events; only if there are any"""


class PublishQuery(ConfigModel):
    """How events are accepted."""

    atomic: bool = False
    """whether to accept none if one of them is not valid"""
    strict: bool = False
    """whether an event with a field that its type does not have is not valid; by default such a
    field, which a newer sender may know, is dropped and named in the answer"""


class EventsTaken(ConfigModel):
    """Every durable plugin has the events."""

    ids: list[str]
    """of all events, in the order of the request"""
    repeated: list[str]
    """those that had been accepted before, and were not published again"""
    dropped: list[DroppedFields] = Field(default_factory=list)
    """the fields that were dropped from events; only if there are any"""


class EventTypeEntry(ConfigModel):
    """An event type that can be published."""

    type: str
    distribution: str | None
    """the package that it comes from"""
    description: str
    schema_: dict[str, Any] = Field(alias="schema")
    """its JSON Schema"""
    sample: dict[str, Any]
    """made-up values for its fields"""


class PreviewRequest(ConfigModel):
    """An event to preview."""

    type: str
    """such as ``peer_joined``"""
    fields: dict[str, Any] = Field(default_factory=dict, max_length=100)
    """its fields, without ``type``"""


class PreviewProblem(ConfigModel):
    """What is wrong with a preview."""

    message: str
    warning: bool
    """whether it would be sent all the same"""


class PreviewEntry(ConfigModel):
    """What a plugin would send."""

    plugin: str
    """the plugin's name"""
    title: str
    """what it would be sent to; empty if the plugin has only one"""
    text: str
    """as people would read it; empty if that is the JSON"""
    json_: Any = Field(alias="json")
    """what would be sent, as values for JSON; null if that is the text"""
    problems: list[PreviewProblem]
    """what is wrong, such as errors in templates"""


class Previews(ConfigModel):
    """What plugins would send for an event."""

    previews: list[PreviewEntry]
    plugins: list[str]
    """the plugins that show what they would send, also if that is nothing"""


class EventTypes(ConfigModel):
    """The event types that can be published."""

    types: list[EventTypeEntry]


class StreamQuery(ConfigModel):
    """Which events of the live feed to send."""

    type: list[str] = Field(default_factory=list, max_length=100)
    """event types, or base types for all that derive from them; all by default"""
    last_event_id: str | None = None
    """instead of the header ``Last-Event-ID``: the id of the event after which to begin"""


class PluginEntry(ConfigModel):
    """The state, the health and the statistics of a plugin."""

    name: str
    state: Literal["starting", "running", "down", "stopped"]
    status: Literal["ok", "degraded", "failed"]
    detail: str
    """the reason for the status"""
    undelivered: int
    """events that it has accepted and not delivered"""
    pending: int
    """events that wait in its mailbox"""
    size: int
    """the capacity of its mailbox, in events"""
    when_full: Literal["block", "drop_oldest", "drop_newest"]
    handled: int
    failed: int
    dropped: int
    restarts: int


class PluginList(ConfigModel):
    """The plugins of the bus."""

    plugins: list[PluginEntry]


class Alive(ConfigModel):
    """The bus runs."""

    status: Literal["ok"]


class Readiness(ConfigModel):
    """Whether every plugin runs and works, at least in part."""

    status: Literal["ready", "not ready"]
    plugins: dict[str, Literal["ok", "degraded", "failed"]]


class LaneEntry(ConfigModel):
    """The state of a lane of an outbox."""

    name: str
    pending: int
    dead: int
    oldest: datetime | None
    """when the oldest pending entry was added"""
    postponed_until: datetime | None
    """when its delivery is tried again, if it is deferred until a given time"""
    until_resumed: bool
    """whether it waits until a user retries it"""
    last_error: str


class OutboxSummary(ConfigModel):
    """The state of the outbox of a plugin."""

    plugin: str
    pending: int
    """entries that are not delivered yet"""
    dead: int
    """dead letters"""
    oldest: datetime | None
    """when the oldest pending entry was added"""
    problem: str | None
    """why it cannot be read or written, if it cannot"""
    lanes: list[LaneEntry]
    """those that have entries or are deferred"""


class OutboxList(ConfigModel):
    """The outboxes of the plugins."""

    outboxes: list[OutboxSummary]


class Client(ConfigModel):
    """What the client that asks may do."""

    token: str | None
    """the name of its token; null if none is needed"""
    scopes: list[Scope]
    """what the token allows"""
    session: str | None
    """the id of its session, if it is a browser that logged in"""


class SessionEntry(ConfigModel):
    """A browser that is logged in."""

    id: str
    """a short name, which gives no access"""
    token: str
    """the name of the token that it logged in with"""
    created: AwareDatetime
    used: AwareDatetime
    """when its last request came"""
    expires: AwareDatetime
    address: str
    """where its last request came from"""
    browser: str
    """what the browser calls itself"""
    is_own: bool
    """whether it is the session of this request"""


class SessionList(ConfigModel):
    """The sessions of all tokens."""

    sessions: list[SessionEntry]


class EntriesQuery(ConfigModel):
    """Which entries to return."""

    lane: str | None = None
    """only those of this lane"""
    kind: Literal["pending", "dead"] | None = None
    """only pending entries, or only dead letters"""
    after: int = Field(default=0, ge=0, le=2**63 - 1)
    """only those with higher ids, such as ``next`` of the previous page"""
    limit: int = Field(default=100, ge=1, le=MAX_ENTRIES)
    """how many at most"""


class Entry(ConfigModel):
    """An entry of an outbox."""

    id: int
    lane: str
    label: str
    """such as the event type"""
    put: AwareDatetime
    """when it was added"""
    attempts: int
    """how often this entry was deferred, not its lane"""
    kind: Literal["pending", "dead"]
    reason: str
    """why it was last deferred, or became a dead letter"""
    detail: str
    """what the receiver answered"""
    expires: AwareDatetime | None
    """when it is no longer worth delivering"""
    body: str
    """what is to be delivered, without secrets"""


class Entries(ConfigModel):
    """A page of entries, in the order in which they were added."""

    entries: list[Entry]
    next: int | None
    """the value of ``after`` for the next page, if there is one"""


class Chosen(ConfigModel):
    """Either entries by their ids, or all entries of a lane."""

    # A text is not a number here.
    model_config = ConfigDict(strict=True)

    ids: list[EntryId] | None = Field(default=None, min_length=1, max_length=MAX_ENTRIES)
    lane: str | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.ids is None) == (self.lane is None):
            raise ValueError("exactly one of 'ids' and 'lane' is expected")

        return self


class Count(ConfigModel):
    """How many were changed; those that do not exist do not count."""

    count: int


class ForgetRequest(ConfigModel):
    """Whom to forget."""

    name: str = Field(min_length=1, max_length=1000, examples=["Ann"])
    """the name or the id of a person; case does not matter, and ``*`` stands for any characters"""


class ForgottenEntry(ConfigModel):
    """What was removed in one place."""

    place: str = Field(examples=["outbox 'discord'"])
    removed: dict[str, int] = Field(examples=[{"dead letters dropped": 2}])
    """counts by what they are of"""
    problem: str
    """why not everything could be removed; empty if it was"""


class ForgetResult(ConfigModel):
    """What was removed of a person, and which plugins could not be asked."""

    found: list[ForgottenEntry]
    """the places where something was removed, or could not be"""
    unasked: list[str]
    """the plugins that have no hook for this, which may keep something in places of their own"""
