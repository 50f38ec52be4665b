from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events_discord.testing import Message, StandInDiscord, StandInWebhook

USER, ROLE = "140000000000000001", "140000000000000002"


class Poster:
    """Posts to one webhook in virtual time."""

    def __init__(self, discord: StandInDiscord, webhook: StandInWebhook) -> None:
        self.discord = discord
        self.webhook = webhook

    async def request(
        self, method: str, path: str = "", body: object = None, **query: str
    ) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.discord.transport()) as client:
            url = self.webhook.url.replace("/api/", "/api/v10/") + path
            return await client.request(method, url, params=query, json=body)

    async def post(self, body: object, **query: str) -> httpx.Response:
        return await self.request("POST", "", body, wait="true", **query)

    async def posted(self, body: object, **query: str) -> Message:
        response = await self.post(body, **query)
        assert response.status_code == 200, response.text
        message: Message = response.json()
        return message


def poster(**options: Any) -> Poster:
    discord = StandInDiscord(limit=None)
    return Poster(discord, discord.create_webhook(**options))


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"content": ""},
        {"content": " \n"},
        {"content": None, "embeds": []},
        {"embeds": [{}]},
        {"embeds": [{"color": 1}]},
        {"wait": "true"},
        {"components": [{"type": 1}]},
    ],
)
async def test_a_message_without_anything_to_see_is_rejected(body: object) -> None:
    response = await poster().post(body)
    assert response.status_code == 400
    assert response.json() == {"message": "Cannot send an empty message", "code": 50006}


async def test_a_message_carries_what_was_sent() -> None:
    here = poster(name="LAN")
    message = await here.posted(
        {
            "content": " hello ",
            "username": "Ann",
            "avatar_url": "https://example.com/a.png",
            "embeds": [{"title": "x", "color": 1}],
            "flags": 1 << 12 | 1 << 2 | 1,
            "tts": True,
        }
    )
    assert message["content"] == "hello"
    assert message["author"]["username"] == "Ann"
    assert re.fullmatch("[0-9a-f]{32}", message["author"]["avatar"])
    assert message["embeds"] == [{"title": "x", "color": 1, "type": "rich"}]
    assert message["flags"] == 1 << 12 | 1 << 2
    assert message["tts"] is True
    assert (await here.posted({"content": "x"}))["author"]["username"] == "LAN"


async def test_of_embeds_with_one_url_only_the_first_is_shown() -> None:
    url = "https://example.com/"
    message = await poster().posted(
        {"embeds": [{"title": "a", "url": url}, {"title": "b", "url": url}, {"title": "c"}]}
    )
    assert [embed["title"] for embed in message["embeds"]] == ["a", "c"]


async def test_components_are_kept_only_with_their_query_parameter() -> None:
    here = poster()
    button = {"type": 2, "style": 5, "label": "Join", "url": "https://example.com/"}
    body = {"content": "x", "components": [{"type": 1, "components": [button]}]}
    assert (await here.posted(body))["components"] == []
    kept = await here.posted(body, with_components="true")
    assert kept["components"] == [{"type": 1, "components": [{**button, "id": 2}], "id": 1}]


async def test_a_poll_is_a_message() -> None:
    emoji = {"name": "🎮"}
    body = {
        "poll": {
            "question": {"text": "?"},
            "answers": [
                {"poll_media": {"text": "!"}},
                {"poll_media": {"text": "…", "emoji": emoji}},
            ],
            "duration": 2.0,
        }
    }
    message = await poster().posted(body)
    poll = message["poll"]
    assert poll["question"] == {"text": "?"}
    assert poll["answers"] == [
        {"answer_id": 1, "poll_media": {"text": "!"}},
        {"answer_id": 2, "poll_media": {"text": "…", "emoji": {"id": None, "name": "🎮"}}},
    ]
    posted, ends = (datetime.fromisoformat(text) for text in (message["timestamp"], poll["expiry"]))
    assert ends - posted == timedelta(hours=2)
    assert (poll["allow_multiselect"], poll["layout_type"]) == (False, 1)
    assert poll["results"] == {"is_finalized": False, "answer_counts": []}


async def test_a_message_with_a_poll_cannot_be_edited() -> None:
    here = poster()
    body = {"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "!"}}]}}
    posted = await here.posted(body)
    response = await here.request("PATCH", f"/messages/{posted['id']}", {"content": "x"})
    assert (response.status_code, response.json()["code"]) == (400, 520003)
    assert here.webhook.messages == [posted]


@pytest.mark.parametrize(
    ("content", "allowed", "users", "roles", "everyone"),
    [
        (f"<@{USER}> <@&{ROLE}> @everyone", None, [USER], [], False),
        (f"<@!{USER}> <@{USER}>", None, [USER], [], False),
        (f"<@{USER}> <@&{ROLE}> @here", {"parse": []}, [], [], False),
        (f"<@{USER}> <@&{ROLE}> @here", {}, [], [], False),
        (f"<@{USER}> <@&{ROLE}> @here", {"roles": [ROLE, "1"]}, [], [ROLE], False),
        (f"<@{USER}> <@&{ROLE}> @here", {"users": [USER, "1"]}, [USER], [], False),
        (f"<@&{ROLE}> @here", {"parse": ["roles", "everyone"]}, [], [ROLE], True),
        ("hello", {"parse": ["roles", "everyone"], "users": [USER]}, [], [], False),
    ],
)
async def test_a_message_pings_whom_it_may(
    content: str, allowed: object, users: list[str], roles: list[str], everyone: bool
) -> None:
    body: dict[str, object] = {"content": content}
    if allowed is not None:
        body["allowed_mentions"] = allowed

    message = await poster().posted(body)
    assert [user["id"] for user in message["mentions"]] == users
    assert all(user["username"] and user["discriminator"] == "0" for user in message["mentions"])
    assert message["mention_roles"] == roles
    assert message["mention_everyone"] is everyone


async def test_an_embed_pings_no_one() -> None:
    message = await poster().posted({"embeds": [{"description": f"<@{USER}>"}]})
    assert message["mentions"] == []


async def test_an_edit_changes_only_what_it_names() -> None:
    here = poster()
    posted = await here.posted(
        {"content": f"<@{USER}>", "embeds": [{"title": "x"}], "allowed_mentions": {}}
    )
    path = f"/messages/{posted['id']}"
    await anyio.sleep(60)
    edited = (await here.request("PATCH", path, {"embeds": [{"title": "y"}]})).json()
    assert edited["content"] == f"<@{USER}>"
    assert edited["embeds"] == [{"title": "y", "type": "rich"}]
    assert edited["timestamp"] == posted["timestamp"]
    assert edited["edited_timestamp"] > posted["timestamp"]
    # What may be pinged is not remembered.
    assert [user["id"] for user in edited["mentions"]] == [USER]
    assert here.webhook.messages == [edited]
    last = (await here.request("PATCH", path, {"content": None})).json()
    assert last["content"] == ""
    assert last["embeds"] == edited["embeds"]


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        (1 << 12, 1 << 2, 1 << 12 | 1 << 2),
        (1 << 2, 0, 0),
        (0, 1 << 12, 0),
        (0, 1 << 15, 1 << 15),
    ],
)
async def test_an_edit_sets_only_some_flags(before: int, edit: int, after: int) -> None:
    here = poster()
    posted = await here.posted({"content": "x", "flags": before})
    edited = await here.request("PATCH", f"/messages/{posted['id']}", {"flags": edit})
    assert edited.json()["flags"] == after


@pytest.mark.parametrize(
    ("body", "code"), [({"content": ""}, 50006), ({"content": "x" * 2001}, 50035)]
)
async def test_an_edit_that_is_not_legal_changes_nothing(body: object, code: int) -> None:
    here = poster()
    posted = await here.posted({"content": "x"})
    response = await here.request("PATCH", f"/messages/{posted['id']}", body)
    assert response.json()["code"] == code
    assert here.webhook.messages == [posted]


async def test_an_edit_keeps_the_attachments_that_it_lists_and_adds_new_ones() -> None:
    here = poster()
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        files = [("files[0]", ("a.txt", b"a")), ("files[1]", ("b.txt", b"bb"))]
        posted = (await client.post(here.webhook.url + "?wait=1", files=files)).json()
        url = f"{here.webhook.url}/messages/{posted['id']}"
        added = (await client.patch(url, files={"files[0]": ("c.txt", b"ccc")})).json()
        second = posted["attachments"][1]
        listed = {"attachments": [{"id": second["id"], "description": "scores"}]}
        kept = (await client.patch(url, json=listed)).json()
        payload = {"attachments": [{"id": second["id"]}, {"id": 0, "filename": "e.txt"}]}
        both = (
            await client.patch(
                url,
                data={"payload_json": json.dumps(payload)},
                files=[("files[0]", ("d.txt", b"d")), ("files[1]", ("not listed", b""))],
            )
        ).json()

    assert [item["filename"] for item in added["attachments"]] == ["a.txt", "b.txt", "c.txt"]
    assert len({item["id"] for item in added["attachments"]}) == 3
    assert kept["attachments"] == [{**second, "description": "scores"}]
    assert [item["filename"] for item in both["attachments"]] == ["b.txt", "e.txt"]
    assert both["attachments"][1]["id"] not in {item["id"] for item in added["attachments"]}


async def test_a_file_that_an_embed_shows_is_not_shown_apart() -> None:
    here = poster()
    embed = {"title": "x", "image": {"url": "attachment://map 1.png"}}
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        response = await client.post(
            here.webhook.url,
            data={"payload_json": json.dumps({"embeds": [embed]})},
            files={"files[0]": ("map 1.png", b"a"), "files[1]": ("b.txt", b"b")},
        )

    message = response.json()
    assert [item["filename"] for item in message["attachments"]] == ["b.txt"]
    picture = message["embeds"][0]["image"]
    assert picture["url"].startswith("https://discord.com/attachments/")
    assert picture["url"].endswith("/map%201.png")
    assert picture["proxy_url"] == picture["url"]
    path = f"/messages/{message['id']}"
    edited = (await here.request("PATCH", path, {"embeds": []})).json()
    assert [item["filename"] for item in edited["attachments"]] == ["map 1.png", "b.txt"]
    assert edited["attachments"][0]["content_type"] == "image/png"


async def test_components_can_be_edited() -> None:
    here = poster()
    posted = await here.posted({"content": "x"})
    button = {"type": 2, "style": 5, "label": "Join", "url": "https://example.com/"}
    components = [{"type": 1, "components": [button]}]
    edited = await here.request(
        "PATCH", f"/messages/{posted['id']}", {"components": components}, with_components="1"
    )
    assert edited.json()["components"] == [
        {"type": 1, "components": [{**button, "id": 2}], "id": 1}
    ]


async def test_an_edit_makes_a_message_one_of_components_only_without_the_rest() -> None:
    here = poster()
    posted = await here.posted({"content": "x", "embeds": [{"title": "y"}]})
    path = f"/messages/{posted['id']}"
    body: dict[str, Any] = {"flags": 1 << 15, "components": [{"type": 10, "content": f"<@{USER}>"}]}
    rejection = await here.request("PATCH", path, body, with_components="1")
    assert rejection.json()["errors"].keys() == {"content", "embeds"}
    assert here.webhook.messages == [posted]
    body |= {"content": None, "embeds": []}
    edited = (await here.request("PATCH", path, body, with_components="1")).json()
    assert (edited["content"], edited["embeds"], edited["flags"]) == ("", [], 1 << 15)
    assert [user["id"] for user in edited["mentions"]] == [USER]
    # From now on it has the flag.
    rejection = await here.request("PATCH", path, {"content": "x"}, with_components="1")
    assert rejection.json()["errors"].keys() == {"content"}


async def test_an_edit_to_components_must_remove_or_show_the_files() -> None:
    here = poster()
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        files = {"files[0]": ("map.png", b"a")}
        posted = (await client.post(here.webhook.url, files=files)).json()

    path = f"/messages/{posted['id']}"
    body: dict[str, Any] = {"flags": 1 << 15, "components": [{"type": 10, "content": "x"}]}
    rejection = await here.request("PATCH", path, body, with_components="1")
    assert rejection.json()["errors"].keys() == {"files"}
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://map.png"}}]}
    shown = await here.request(
        "PATCH", path, {**body, "components": [gallery]}, with_components="1"
    )
    assert shown.json()["attachments"] == []
    removed = await here.request("PATCH", path, {**body, "attachments": []}, with_components="1")
    assert removed.json()["components"] == [{"type": 10, "content": "x", "id": 1}]


@pytest.mark.parametrize("shown", [True, False])
async def test_a_message_of_components_shows_each_of_its_files(shown: bool) -> None:
    here = poster()
    names = ["game.zip", "map.png"] if shown else ["game.zip"]
    items = [{"media": {"url": f"attachment://{name}"}} for name in names]
    payload = {"flags": 1 << 15, "components": [{"type": 12, "items": items}]}
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        response = await client.post(
            here.webhook.url.replace("/api/", "/api/v10/"),
            params={"with_components": "1"},
            data={"payload_json": json.dumps(payload)},
            files={"files[0]": ("game.zip", b"a"), "files[1]": ("map.png", b"b")},
        )

    if not shown:
        assert response.json()["errors"].keys() == {"files"}
        return

    message = response.json()
    assert message["attachments"] == []
    urls = [item["media"]["url"] for item in message["components"][0]["items"]]
    assert [url.rpartition("/")[2] for url in urls] == names


async def test_a_file_is_answered_with_the_message_without_waiting() -> None:
    here = poster()
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        response = await client.post(here.webhook.url, files={"file": ("a.txt", b"a")})

    assert response.status_code == 200
    (attachment,) = response.json()["attachments"]
    assert (attachment["filename"], attachment["size"]) == ("a.txt", 1)
    assert attachment["url"].startswith(
        f"https://discord.com/attachments/{here.webhook.channel_id}"
    )
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        # What is in it is not kept.
        assert (await client.get(attachment["url"])).status_code == 404


async def test_the_fields_of_a_form_are_texts() -> None:
    here = poster()
    form = {"content": "x", "tts": "true", "flags": "4096", "username": "Ann"}
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        for files in (None, {"files[0]": ("a.txt", b"a")}):
            url = here.webhook.url + "?wait=true"
            message = (await client.post(url, data=form, files=files)).json()
            assert (message["tts"], message["flags"]) == (True, 4096)
            assert message["author"]["username"] == "Ann"


async def test_a_colour_can_be_a_text() -> None:
    message = await poster().posted({"embeds": [{"title": "x", "color": "65280"}]})
    assert message["embeds"][0]["color"] == 65280


async def test_a_webhook_can_be_changed_with_its_token() -> None:
    here = poster(name="LAN")
    picture = "data:image/png;base64,iVBORw0KGgo="
    body = {"name": " Ann ", "avatar": picture, "channel_id": "1"}
    changed = (await here.request("PATCH", "", body)).json()
    assert (changed["name"], changed["channel_id"]) == ("Ann", here.webhook.channel_id)
    assert changed["avatar"]
    message = await here.posted({"content": "x"})
    assert message["author"]["username"] == here.webhook.name == "Ann"
    assert message["author"]["avatar"] == changed["avatar"]
    again = (await here.request("PATCH", "", {"avatar": None})).json()
    assert (again["name"], again["avatar"]) == ("Ann", None)


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "my Discord"}, "name"),
        ({"name": "Ann", "avatar": "https://example.com/a.png"}, "avatar"),
        ({"name": "Ann", "avatar": 7}, "avatar"),
    ],
)
async def test_a_webhook_takes_no_bad_name_and_no_bad_picture(
    body: dict[str, object], bad: str
) -> None:
    here = poster(name="LAN")
    response = await here.request("PATCH", "", body)
    assert response.json()["errors"].keys() == {bad}
    assert here.webhook.name == "LAN"


async def test_broken_json_edits_nothing() -> None:
    here = poster()
    posted = await here.posted({"content": "x"})
    async with httpx.AsyncClient(transport=here.discord.transport()) as client:
        response = await client.patch(
            f"{here.webhook.url}/messages/{posted['id']}",
            content=b"{",
            headers={"Content-Type": "application/json"},
        )

    assert response.json()["code"] == 50109


async def test_a_text_channel_takes_messages_in_its_threads() -> None:
    here = poster()
    thread_id = here.webhook.create_thread("bracket")
    message = await here.posted({"content": "x"}, thread_id=thread_id)
    assert message["channel_id"] == thread_id
    assert here.webhook.threads == {thread_id: "bracket"}
    rejection = await here.post({"content": "x", "thread_name": "finals"})
    assert rejection.json()["code"] == 220003


async def test_an_unknown_thread_is_an_unknown_channel() -> None:
    here = poster()
    response = await here.post({"content": "x"}, thread_id="1")
    assert (response.status_code, response.json()["code"]) == (404, 10003)
    message = await here.posted({"content": "x"})
    path = f"/messages/{message['id']}"
    edited = await here.request("PATCH", path, {"content": "y"}, thread_id="1")
    assert edited.json()["code"] == 10003


async def test_a_forum_wants_a_thread_or_the_name_of_a_new_one() -> None:
    here = poster(forum=True)
    thread_id = here.webhook.create_thread("bracket")
    neither = await here.post({"content": "x"})
    both = await here.post({"content": "x", "thread_name": "finals"}, thread_id=thread_id)
    assert [neither.json()["code"], both.json()["code"]] == [220001, 220002]
    old = await here.posted({"content": "x"}, thread_id=thread_id)
    new = await here.posted({"content": "x", "thread_name": "finals"})
    assert old["channel_id"] == thread_id
    assert new["channel_id"] == new["id"] != here.webhook.channel_id
    assert here.webhook.threads == {thread_id: "bracket", new["id"]: "finals"}
    more = await here.posted({"content": "y"}, thread_id=new["channel_id"])
    assert more["channel_id"] == new["channel_id"]


async def test_a_forum_can_want_a_tag() -> None:
    here = poster(forum=True, require_tag=True)
    body = {"content": "x", "thread_name": "finals"}
    assert (await here.post(body)).json()["code"] == 40067
    await here.posted({**body, "applied_tags": [USER]})


async def test_a_message_in_a_thread_is_found_only_there() -> None:
    here = poster()
    thread_id = here.webhook.create_thread("bracket")
    message = await here.posted({"content": "x"}, thread_id=thread_id)
    path = f"/messages/{message['id']}"
    elsewhere = await here.request("GET", path)
    there = await here.request("GET", path, thread_id=thread_id)
    assert elsewhere.json()["code"] == 10008
    assert there.json() == message


async def test_a_new_thread_is_not_made_for_a_rejected_message() -> None:
    discord = StandInDiscord(channel_limit=1)
    here = Poster(discord, discord.create_webhook(forum=True))
    await here.posted({"content": "x", "thread_name": "a"})
    rejection = await here.post({"content": "x", "thread_name": "b"})
    assert rejection.status_code == 429
    assert list(here.webhook.threads.values()) == ["a"]


def test_webhooks_of_one_channel_share_it() -> None:
    discord = StandInDiscord()
    one, other = discord.create_webhook("lobby"), discord.create_webhook("lobby")
    assert one.channel_id == other.channel_id != discord.create_webhook().channel_id
    assert one.id != other.id
    assert one.token != other.token
    thread_id = one.create_thread("bracket")
    assert other.threads == {thread_id: "bracket"}
    assert len(discord.webhooks) == 3
    with pytest.raises(ValueError, match="'lobby'"):
        discord.create_webhook("lobby", forum=True)


async def test_a_switch_of_the_query_that_is_none_is_rejected() -> None:
    here = poster()
    response = await here.request("POST", "", {"content": "x"}, wait="yes")
    assert response.json()["errors"]["wait"]["_errors"][0]["code"] == "BOOLEAN_TYPE_CONVERT"


async def test_a_message_that_someone_deletes_is_gone_for_its_webhook_only() -> None:
    discord = StandInDiscord()
    webhook, other = discord.create_webhook("lobby"), discord.create_webhook("lobby")
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        ids = []
        for content in ("1", "2"):
            answer = await client.post(
                webhook.url, params={"wait": "true"}, json={"content": content}
            )
            ids.append(answer.json()["id"])

        with pytest.raises(LookupError, match=ids[0]):
            other.delete_message(ids[0])

        webhook.delete_message(ids[0])
        with pytest.raises(LookupError, match=ids[0]):
            webhook.delete_message(ids[0])

        edited = await client.patch(f"{webhook.url}/messages/{ids[0]}", json={"content": "3"})

    assert [message["content"] for message in webhook.messages] == ["2"]
    assert (edited.status_code, edited.json()["code"]) == (404, 10008)
