"""Discord's limits on messages and embeds; characters are counted by ``markdown.length``."""

from __future__ import annotations

# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
TITLE_MAX_CHARACTERS = 256
"""of an embed's title"""
DESCRIPTION_MAX_CHARACTERS = 4096
"""of an embed's description"""
EMBED_MAX_FIELDS = 25
"""fields of an embed"""
FIELD_NAME_MAX_CHARACTERS = 256
"""of the name of an embed's field"""
FIELD_VALUE_MAX_CHARACTERS = 1024
"""of the value of an embed's field"""
FOOTER_MAX_CHARACTERS = 2048
"""of an embed's footer"""
AUTHOR_MAX_CHARACTERS = 256
"""of the name of an embed's author"""
# The same page.
MESSAGE_EMBEDS_MAX_CHARACTERS = 6000
"""of all embeds of one message together"""
# https://docs.discord.com/developers/resources/message#embed-object: a colour is a 24 bit number
COLOR_MAX = 0xFFFFFF
"""the highest colour of an embed"""
# Not documented: the answer to a longer one is "Must be 2048 or fewer in length."
URL_MAX_CHARACTERS = 2048
"""of an address in an embed"""

# https://docs.discord.com/developers/resources/webhook#execute-webhook
MESSAGE_MAX_EMBEDS = 10
"""embeds of a message"""
CONTENT_MAX_CHARACTERS = 2000
"""of a message's content, the text above its embeds"""
# https://docs.discord.com/developers/resources/webhook#create-webhook: stated for a webhook's own
# name, and taken for the one that a message overrides it with.
USERNAME_MAX_CHARACTERS = 80
"""of the name that a message shows in place of its webhook's"""
USERNAME_MUST_NOT_CONTAIN = ("clyde", "discord")
"""what such a name may not contain, in lower case"""
# https://docs.discord.com/developers/resources/user#usernames-and-nicknames, and seen for webhooks:
# https://github.com/MinnDevelopment/discord-webhooks/issues/100
USERNAMES_RESERVED = ("everyone", "here")
"""names that a message may not have, in lower case"""
# https://docs.discord.com/developers/resources/channel#start-thread-in-forum-or-media-channel
THREAD_NAME_MAX_CHARACTERS = 100
"""of the name of a thread"""
# https://docs.discord.com/developers/resources/webhook#execute-webhook-jsonform-params, applied_tags,
# and https://docs.discord.com/developers/resources/channel#channel-object-channel-structure
THREAD_MAX_TAGS = 5
"""tags of a post in a forum channel"""
# https://docs.discord.com/developers/resources/message#allowed-mentions-object
MENTIONS_MAX_IDS = 100
"""ids of roles, and ids of users, that a message may mention"""
# https://docs.discord.com/developers/components/reference#action-row
ROW_MAX_BUTTONS = 5
"""buttons in a row"""
MESSAGE_MAX_BUTTONS = 25
"""buttons of a message, in five rows"""
# https://docs.discord.com/developers/components/reference#button
BUTTON_LABEL_MAX_CHARACTERS = 80
"""of the label of a button"""
BUTTON_URL_MAX_CHARACTERS = 512
"""of the address that a button opens"""
# https://docs.discord.com/developers/resources/poll
POLL_QUESTION_MAX_CHARACTERS = 300
"""of the question of a poll"""
POLL_ANSWER_MAX_CHARACTERS = 55
"""of an answer of a poll"""
POLL_MAX_ANSWERS = 10
"""answers of a poll"""
POLL_MAX_HOURS = 768
"""for which a poll can be answered"""
# https://docs.discord.com/developers/resources/webhook#execute-webhook
MESSAGE_MAX_FILES = 10
"""files of a message"""
# https://docs.discord.com/developers/reference#uploading-files
REQUEST_MAX_BYTES = 10 * 1024 * 1024
"""of a message with its files, on a server without boosts"""
