"""The URLs of webhooks and invites: checked, and split into their parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

# https://docs.discord.com/developers/reference#api-versioning: without a version it is the
# deprecated sixth.
API_PATH = "/api/v10"

_DISCORD_HOSTS = frozenset(
    f"{prefix}{domain}"
    for prefix in ("", "ptb.", "canary.")
    for domain in ("discord.com", "discordapp.com")
)
_INVITE_HOST = "discord.gg"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_MAX_CHARACTERS = 2048
# A snowflake is an unsigned number of 64 bits.
_ID = re.compile(r"[0-9]{1,20}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_INVITE_CODE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WEBHOOK_PATH = re.compile(r"/api(?:/v[0-9]{1,3})?/webhooks(?:/(?P<id>[^/]*)(?:/(?P<rest>.*))?)?")


@dataclass(frozen=True, slots=True)
class WebhookURL:
    """The checked address of a webhook; its repr shows neither the token nor the URL.

    Anyone who knows the token can post to the channel, so treat what :meth:`execute_url`,
    :meth:`reveal` and :meth:`secrets` return as secrets.
    """

    host: str
    """such as ``discord.com``, with the port if it is not the scheme's own"""
    id: str
    token: str = field(repr=False)
    scheme: str = "https"
    thread_id: str | None = None
    """the thread that the URL names with ``?thread_id=``"""

    @property
    def is_discords(self) -> bool:
        """Whether it leads to Discord, and not to another host that is allowed."""
        return self.host in _DISCORD_HOSTS

    def execute_url(
        self, wait: bool = True, thread_id: str | None = None, *, with_components: bool = False
    ) -> str:
        """Return the address to post messages to.

        :param wait: whether Discord answers with the message once it is saved; otherwise a
            message that is not saved is not reported
        :param thread_id: the thread to post to, instead of the URL's own
        :param with_components: whether Discord is to read the buttons of the message
        """
        query = {"wait": "true"} if wait else {}
        return self._with_query(self._address, query, thread_id, with_components)

    def message_url(
        self, message_id: str, thread_id: str | None = None, *, with_components: bool = False
    ) -> str:
        """Return the address of a message, to edit or delete it.

        :param thread_id: the thread that it is in, instead of the URL's own
        :param with_components: whether Discord is to read the buttons of the message
        """
        address = f"{self._address}/messages/{message_id}"
        return self._with_query(address, {}, thread_id, with_components)

    def _with_query(
        self, address: str, query: dict[str, str], thread_id: str | None, with_components: bool
    ) -> str:
        if thread := thread_id or self.thread_id:
            query["thread_id"] = thread

        if with_components:
            query["with_components"] = "true"

        return f"{address}?{urlencode(query)}" if query else address

    def info_url(self) -> str:
        """Return the address that describes the webhook, without posting anything."""
        return self._address

    def reveal(self) -> str:
        """Return the URL as a user would paste it, secret token included."""
        url = f"{self.scheme}://{self.host}/api/webhooks/{self.id}/{self.token}"
        return f"{url}?thread_id={self.thread_id}" if self.thread_id else url

    def secrets(self) -> tuple[str, ...]:
        """Return every text that must not be seen, the longest first."""
        return (self.reveal(), self._address, f"{self.id}/{self.token}", self.token)

    @property
    def _address(self) -> str:
        return f"{self.scheme}://{self.host}{API_PATH}/webhooks/{self.id}/{self.token}"


def validate_webhook_url(url: str, allow_hosts: Iterable[str] = ()) -> WebhookURL:
    """Check the URL of a webhook as copied from Discord, white space around it included.

    A ``thread_id`` in its query is kept, everything else in the query is ignored.

    :param url: the whole URL, such as ``https://discord.com/api/webhooks/123/token``
    :param allow_hosts: hosts that are admitted beside Discord's own, each with its port unless it
        is the usual one; for these http is admitted as well as https
    :raises ValueError: if it is not a webhook's URL; the message says why and how to fix it, and
        never repeats the token
    """
    parts = _split(url, "webhook URL", "https://discord.com/api/webhooks/…")
    host = _host(
        parts, "webhook URL", _DISCORD_HOSTS, {name.strip().lower() for name in allow_hosts}
    )
    match = _WEBHOOK_PATH.fullmatch(parts.path)
    if match is None:
        raise ValueError(
            "the webhook URL is not that of a webhook: expected the path "
            "/api/webhooks/<number>/<token>; copy it again with 'Copy Webhook URL'"
        )

    webhook_id, rest = match["id"], match["rest"] or ""
    if not webhook_id or not _ID.fullmatch(webhook_id):
        raise ValueError(
            "the webhook URL lacks the webhook's number: expected up to 20 digits after /webhooks/"
        )

    token, _, more = rest.partition("/")
    if not token:
        raise ValueError(
            "the webhook URL lacks its token, the long text after the number; "
            "copy the whole URL again with 'Copy Webhook URL'"
        )

    if not _TOKEN.fullmatch(token):
        raise ValueError(
            "the token of the webhook URL has characters that no token has; "
            "copy the URL again with 'Copy Webhook URL'"
        )

    if more:
        raise ValueError(
            "the webhook URL goes on after its token, which ends at the next slash; "
            "remove what follows, such as /slack, /github or /messages"
        )

    return WebhookURL(
        host=host,
        id=webhook_id,
        token=token,
        scheme=parts.scheme,
        thread_id=_thread_id(parts.query),
    )


def validate_invite_url(url: str) -> str:
    """Check the URL of an invite as copied from Discord, and return it without what is not needed.

    :param url: the whole URL, such as ``https://discord.gg/abc123``
    :raises ValueError: if it is not an invite's URL; the message says why and how to fix it
    """
    parts = _split(url, "invite URL", "https://discord.gg/…")
    host = _host(parts, "invite URL", _DISCORD_HOSTS | {_INVITE_HOST}, ())
    path = parts.path.removesuffix("/")
    prefix = "/" if host == _INVITE_HOST else "/invite/"
    if not path.startswith(prefix) and path not in ("", "/invite"):
        raise ValueError(f"the invite URL is not that of an invite: expected {host}{prefix}<code>")

    # discord.gg/invite/CODE leads to the same invite as discord.gg/CODE.
    code = path.removeprefix("/invite").removeprefix("/")
    if not code:
        raise ValueError("the invite URL lacks its code: copy it again with 'Invite People'")

    if not _INVITE_CODE.fullmatch(code):
        raise ValueError(
            "the code of the invite URL has characters that no code has: expected letters, "
            "digits and hyphens"
        )

    return f"https://{host}{prefix}{code}"


def _split(url: str, what: str, example: str) -> SplitResult:
    url = url.strip()
    if not url:
        raise ValueError(f"the {what} is empty: expected {example}")

    if len(url) > _URL_MAX_CHARACTERS:
        raise ValueError(
            f"the {what} has {len(url)} characters, at most {_URL_MAX_CHARACTERS} are allowed"
        )

    # urlsplit() drops tabs and line ends in silence, and browsers read a backslash as a slash.
    if not url.isprintable() or " " in url:
        raise ValueError(f"the {what} has white space or invisible characters in it")

    if not url.isascii():
        raise ValueError(f"the {what} has letters that are not plain Latin ones")

    if "\\" in url:
        raise ValueError(f"the {what} has a backslash in it")

    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in _DEFAULT_PORTS:
        raise ValueError(f"the {what} must begin with https://, as in {example}")

    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"the {what} has no readable host: expected {example}") from None

    if "%" in parts.path:
        raise ValueError(f"the {what} has percent escapes in its path")

    return parts


def _host(parts: SplitResult, what: str, hosts: frozenset[str], allow_hosts: Iterable[str]) -> str:
    """Return the host, with its port if that is not the usual one, once it is admitted."""
    if "@" in parts.netloc:
        raise ValueError(f"the {what} has a user name before its host, which Discord's never have")

    default = _DEFAULT_PORTS[parts.scheme]
    netloc = parts.netloc.lower().removesuffix(f":{default}")
    if any(netloc == allowed.removesuffix(f":{default}") for allowed in allow_hosts):
        return netloc

    host = parts.hostname or ""
    if not host:
        raise ValueError(f"the {what} has no host")

    if host not in hosts:
        expected = _INVITE_HOST if _INVITE_HOST in hosts else "discord.com"
        raise ValueError(
            f"the {what} does not lead to Discord: its host is '{host}', expected {expected}"
        )

    if parts.netloc.lower() != host:
        raise ValueError(f"the {what} has a port after its host, which Discord's never have")

    if parts.scheme != "https":
        raise ValueError(f"the {what} must begin with https://, not with {parts.scheme}://")

    return host


def _thread_id(query: str) -> str | None:
    found = parse_qs(query, keep_blank_values=True).get("thread_id", [])
    if not found:
        return None

    if len(found) > 1 or not _ID.fullmatch(found[0]):
        raise ValueError("the thread_id of the webhook URL must be one number of up to 20 digits")

    return found[0]
