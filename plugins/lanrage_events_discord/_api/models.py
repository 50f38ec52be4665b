"""The requests and answers of the plugin's HTTP API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr

from lanrage_events.config import ConfigModel

from .._quiet import MuteLength, Then
from .._rendering import Style

DIGEST_MAX_EVENTS = 50
"""how many events a preview of a digest may have"""

Text = Annotated[str, Field(max_length=4096)]


class QuietStatus(ConfigModel):
    """That a webhook is quiet, because of its quiet hours or a mute."""

    then: Then
    """what happens to its messages meanwhile, see :class:`MuteRequest`"""
    until: datetime | None
    """when that changes; null if it never does"""
    seconds_left: float | None
    """until then"""
    why: str
    """in one line, such as ``muted until 22:10 by anna (restart of the server)``"""
    muted: bool
    """whether it is a mute, and not the quiet hours of the configuration"""


class MuteRequest(ConfigModel):
    """What to mute."""

    duration: MuteLength
    """for how long, such as ``2h``; at most 31 days"""
    webhook: Text | None = None
    """the name of the webhook; null for all"""
    why: Text = ""
    """the reason, which health and the page show; the first 200 characters in one line"""
    by: Text = ""
    """who mutes it, likewise"""
    then: Then = "hold"
    """what happens to messages meanwhile: ``hold`` posts them at the end, ``silent`` posts them
    without a notification, and ``drop`` does not post them at all"""


class MuteQuery(ConfigModel):
    """Which mute ends."""

    webhook: Text | None = None
    """the name of the webhook; null for every mute"""


class MuteStatus(ConfigModel):
    """A mute that lasts."""

    webhook: str | None
    """the name of the webhook; null for all"""
    since: datetime
    until: datetime
    seconds_left: float
    by: str
    """who muted it"""
    why: str
    """the reason"""
    then: Then
    """what happens to messages meanwhile"""


class Mutes(ConfigModel):
    """The mutes that last."""

    mutes: tuple[MuteStatus, ...]


class WebhookRequest(ConfigModel):
    """The webhook to send everything to."""

    webhook_url: SecretStr = Field(max_length=4096)
    """the URL as copied from Discord; empty to send nothing"""


def _read_flag(value: object) -> object:
    # As in "?offline", which is as good as "?offline=true".
    return True if value == "" else value


class WebhookQuery(ConfigModel):
    """How a webhook is set."""

    offline: Annotated[bool, BeforeValidator(_read_flag)] = False
    """whether to save it without asking Discord whether it exists"""


class InviteRequest(ConfigModel):
    """The invite that messages show."""

    invite_url: Text
    """the URL as copied from Discord; empty to show none"""


class MessageTestRequest(ConfigModel):
    """Which webhook to test."""

    webhook: Text | None = None
    """the webhook's name in the configuration; without it, the one that everything is sent to"""


class OriginStatus(ConfigModel):
    """Where a value comes from."""

    configured: bool
    """whether there is one"""
    source: Literal["yaml", "saved"] | None
    """where it comes from: the configuration, where it must be changed then, or this API"""
    place: str | None
    """where it stands in the configuration, as ``file:line:column``"""


class WebhookStatus(OriginStatus):
    """The webhook that everything is sent to."""

    name: str | None
    """its name in Discord, if that is known"""
    channel_id: str | None
    """the channel in which it posts, if that is known"""
    channel_url: str | None
    """the channel in Discord, for users who may see it"""


class WebhookEntry(ConfigModel):
    """A webhook, and what Discord says about it."""

    name: str
    """its name in the configuration, or under which it was saved; ``default`` is the one of
    ``webhook_url``"""
    source: Literal["yaml", "saved"] | None
    """where it comes from: the configuration or this API; null if it was removed, and events wait"""
    place: str | None
    """where it stands in the configuration, as ``file:line:column``"""
    state: str
    """what its lane does, see :class:`LaneStatus`"""
    reason: str
    """why the state is what it is, if something is wrong; else why the webhook is quiet"""
    quiet: QuietStatus | None
    """that it is quiet; null if it is not"""
    pending: int
    """events that wait"""
    events: tuple[str, ...] | None
    """the event types, base types and patterns that were chosen for it; null for all. Without effect
    if the configuration has routes"""
    events_problem: str
    """what is wrong with them, such as a type whose plugin is not loaded"""
    style: Style
    """how it shows several events at a time"""
    discord: Literal["found", "rejected", "unreachable", "pending"]
    """what Discord says about it: ``rejected`` if it does not exist, ``unreachable`` if Discord cannot
    be asked, ``pending`` while it is being asked"""
    discord_reason: str
    """why it is rejected or unreachable"""
    posts_as: str | None
    """its name in Discord, if that is known"""
    channel_id: str | None
    """the channel in which it posts, if that is known"""
    channel_url: str | None
    """the channel in Discord, for users who may see it"""


class Webhooks(ConfigModel):
    """The webhooks that there are."""

    webhooks: tuple[WebhookEntry, ...]
    routes_configured: bool
    """whether the configuration has routes, which decide which events each of them posts"""
    routes_place: str | None
    """where they stand in the configuration, as ``file:line:column``"""


class WebhookName(ConfigModel):
    """Which webhook."""

    name: Text
    """the name under which it was saved"""


class NamedWebhookQuery(WebhookName, WebhookQuery):
    """Which webhook, and how it is set."""


class WebhookSettings(ConfigModel):
    """What can be chosen for a saved webhook."""

    events: Annotated[tuple[Text, ...], Field(max_length=1000)] | None = None
    """the event types, base types and patterns that it posts; ``event`` for all"""
    style: Style | None = None
    """how it shows several events at a time: in one list, or each in an embed of its own"""


class NewWebhook(WebhookSettings):
    """Another webhook. What is missing is as the configuration says, and it posts all events."""

    name: Text
    """under which it is known: up to 50 printable characters"""
    webhook_url: SecretStr = Field(max_length=4096)
    """the URL as copied from Discord"""


class WebhookChange(WebhookSettings):
    """What changes about a saved webhook; what is missing or null stays."""

    name: Text | None = None
    """another name, under which it sends what waited under the one before"""
    webhook_url: SecretStr | None = Field(default=None, max_length=4096)
    """another URL as copied from Discord"""


class InviteStatus(OriginStatus):
    """The invite that messages show."""

    url: str | None
    """the invite, which is not a secret"""


class LaneStatus(ConfigModel):
    """How the delivery to one webhook goes."""

    name: str
    """the webhook's name in the configuration"""
    state: str
    """what it does: ``idle``, ``gathering``, ``waiting``, ``holding``, ``sending``, ``retrying``,
    ``dead`` or ``unconfigured``; it is ``holding`` as soon as quiet hours or a mute let it post nothing"""
    reason: str
    """why the state is what it is, if something is wrong, and how long the lane waits; else why the
    webhook is quiet, and until when"""
    waits: float | None
    """seconds until it goes on by itself; null if it does not wait"""
    pending: int
    """events that wait"""
    sent: int
    """events that Discord accepted"""
    messages: int
    """messages that Discord accepted"""
    requests: int
    """requests that were sent"""
    failed: int
    """events that became dead letters"""
    expired: int
    """events that were too old when their turn came"""
    cancelled: int
    """joins and leaves that came to nothing, so that they were not posted"""
    reconnects: int
    """how often someone left and came back so soon that neither was posted"""
    reconnects_uncounted: int
    """those of them that no message has counted, because none came in time"""
    shortened: int
    """events that were posted with less text than they have, because of Discord's limits"""
    rate_limited: int
    """answers that ask to wait"""
    dropped: int
    """events that quiet hours or a mute dropped"""
    last_error: str
    """what went wrong last"""
    quiet: QuietStatus | None
    """that it is quiet; null if it is not"""


class AlertProblem(ConfigModel):
    """Something that does not work."""

    kind: str
    """what: ``webhook``, ``rejected``, ``dropped``, ``plugin``, ``silent``, ``late`` or ``card``"""
    subject: str
    """the name of the webhook, the plugin or the source"""
    detail: str
    """why, if that is known"""


class AlertStatus(ConfigModel):
    """The alerts: messages that something does not work, and that it works again."""

    webhook: str
    """the name of the webhook that gets them"""
    sent: int
    """alerts since the plugin started"""
    problems: tuple[AlertProblem, ...]
    """what the alerts said does not work, and is not over"""


class Status(ConfigModel):
    """How the plugin is set up, and how the delivery goes."""

    webhook: WebhookStatus
    invite: InviteStatus
    state: str
    """what the webhook's lane does, see :class:`LaneStatus`"""
    reason: str
    """why the state is what it is, if something is wrong; else why the webhook is quiet"""
    pending: int
    """events that wait, of all webhooks"""
    sent: int
    """events that Discord accepted, from all webhooks"""
    failed: int
    """events that became dead letters, of all webhooks"""
    last_error: str
    """what went wrong last"""
    lanes: tuple[LaneStatus, ...]
    """each webhook"""
    unrouted: int
    """events that no route takes, so that they are not posted"""
    unrouted_types: dict[str, int]
    """the same by event type, the most frequent first; at most 100 types, then ``other``"""
    alerts: AlertStatus | None
    """null if no webhook gets alerts"""
    mutes: tuple[MuteStatus, ...]
    """what is muted, and until when"""
    cards_stopped: int
    """cards that have stopped, see ``GET /api/discord/cards``"""
    presence_connected: bool | None
    """whether Rich Presence is connected to Discord; null without the plugin for it"""


class MessageTestResult(ConfigModel):
    """What became of a test message."""

    delivered: bool
    """whether Discord has it"""
    message_id: str | None
    """its id in Discord"""
    reason: str
    """what happened, in one sentence"""
    status: int | None
    """HTTP's status; null without an answer"""
    retry_after: float | None
    """seconds after which another attempt makes sense, if that is known"""


class Steps(ConfigModel):
    """What to do in Discord."""

    heading: str
    """what it is good for"""
    steps: tuple[str, ...]
    """one after the other, in plain text"""


class Instructions(ConfigModel):
    """How to get the two URLs."""

    webhook: Steps
    invite: Steps


class BucketStatus(ConfigModel):
    """What happened within some seconds."""

    start: datetime
    """when they began"""
    sent: int
    """events that Discord accepted"""
    failed: int
    """events that became dead letters"""
    rate_limited: int
    """answers that ask to wait"""
    waited: float
    """seconds in which Discord's limits kept the lane from sending"""
    waiting: int
    """the most events that waited at the same time"""


class LaneHistory(ConfigModel):
    """What happened in one lane in the last minutes."""

    name: str
    """the webhook's name in the configuration"""
    buckets: tuple[BucketStatus, ...]
    """the oldest first; the last one is not over yet"""


class DeliveryHistory(ConfigModel):
    """What happened in the last minutes."""

    seconds_per_bucket: float
    lanes: tuple[LaneHistory, ...]


class SampleType(ConfigModel):
    """An event type with a sample event."""

    model_config = ConfigDict(serialize_by_alias=True)

    type: str
    """such as ``peer_joined``"""
    description: str
    """what it means"""
    fields: dict[str, Any]
    """made-up values"""
    json_schema: dict[str, Any] = Field(serialization_alias="schema")
    """the JSON Schema of such an event"""
    is_card: bool = False
    """whether it is the card of a party, which is a message of its own and in no digest"""


class Samples(ConfigModel):
    """The event types that can be previewed."""

    types: tuple[SampleType, ...]
    max_events: int
    """how many events a preview of a digest may have"""


class PreviewRequest(ConfigModel):
    """An event to preview."""

    type: Text
    """such as ``peer_joined``"""
    fields: dict[str, Any] = Field(default_factory=dict)
    """its fields, without ``type``"""


class DigestRequest(ConfigModel):
    """Events whose digest to preview."""

    events: Annotated[tuple[PreviewRequest, ...], Field(min_length=1, max_length=DIGEST_MAX_EVENTS)]
    """in their order"""
    catch_up: bool = False
    """whether they waited during an outage, so that the digest shows their times"""


class SpanLayout(ConfigModel):
    """A piece of text in one style."""

    text: str
    """it may hold line breaks"""
    styles: tuple[str, ...] = ()
    """``bold``, ``italic``, ``underline``, ``strike``, ``code``, ``spoiler``, ``link``,
    ``mention``, ``small``, ``heading``, ``quote``"""
    url: str | None = None
    """where a link leads to"""


class AuthorLayout(ConfigModel):
    """The line above the title."""

    name: str
    url: str | None = None
    icon_url: str | None = None


class FieldLayout(ConfigModel):
    """A bold name above a value."""

    name: tuple[SpanLayout, ...]
    value: tuple[SpanLayout, ...]
    inline: bool
    """whether it may stand beside its neighbours"""


class FooterLayout(ConfigModel):
    """The line below everything."""

    text: str
    icon_url: str | None = None


class EmbedLayout(ConfigModel):
    """An embed, ready to be drawn."""

    color: str | None = None
    """of its bar, such as ``#4caf50``"""
    author: AuthorLayout | None = None
    title: tuple[SpanLayout, ...] = ()
    url: str | None = None
    """where the title leads to"""
    description: tuple[SpanLayout, ...] = ()
    fields: tuple[FieldLayout, ...] = ()
    footer: FooterLayout | None = None
    timestamp: datetime | None = None
    image: str | None = None
    thumbnail: str | None = None


class ButtonLayout(ConfigModel):
    """A button below the embeds."""

    label: str
    url: str
    """what it opens"""


class MeterStatus(ConfigModel):
    """How much of one of Discord's limits is used."""

    label: str
    used: int
    limit: int


class PreviewedMessage(ConfigModel):
    """A message, as it would be posted."""

    body: dict[str, Any]
    """what would be posted"""
    content: tuple[SpanLayout, ...]
    """the text above the embeds"""
    embeds: tuple[EmbedLayout, ...]
    buttons: tuple[ButtonLayout, ...]
    """in rows of five"""
    meters: tuple[MeterStatus, ...]


class Preview(PreviewedMessage):
    """The message that reports an event."""

    faults: tuple[str, ...]
    """what is wrong with the templates"""
    note: str
    """that posts do not look like this yet, if so"""


class DigestMessage(PreviewedMessage):
    """A message that reports one or several events."""

    events: int
    """how many"""


class DigestPreview(ConfigModel):
    """The messages that report events which happen at about the same time."""

    messages: tuple[DigestMessage, ...]
    """in their order"""
    faults: tuple[str, ...]
    """what is wrong with the templates"""
    note: str
    """that posts do not look like this yet, if so"""
