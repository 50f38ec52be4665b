// discord.js for test_clients.py; see lines.py for the lines that it obeys.

import { createRequire } from "node:module";
import readline from "node:readline";

// It is installed in the current folder, outside of the repository.
const discord = createRequire(`${process.cwd()}/`)("discord.js");

const PICTURE =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const LINK = "https://example.com/lan";
const TEXT = "# LAN <@140000000000000001>";

const calls = {
    async send(webhook, { wait, ...request }) {
        // It always waits for the message.
        const words = {};
        for (const key of ["content", "username"]) {
            if (key in request) words[key] = request[key];
        }
        if ("embed" in request) words.embeds = [request.embed];
        if ("files" in request) words.files = request.files.map(makeFile);
        if ("thread_id" in request) words.threadId = request.thread_id;
        if ("thread_name" in request) words.threadName = request.thread_name;
        if ("tags" in request) words.appliedTags = request.tags;
        if ("poll" in request) words.poll = makePoll(request.poll);
        if ("components" in request) Object.assign(words, makeComponents(request.components));
        return describe(await webhook.send(words));
    },
    async edit(webhook, request) {
        const words = {};
        if ("content" in request) words.content = request.content;
        if ("thread_id" in request) words.threadId = request.thread_id;
        if ("files" in request) {
            words.attachments = request.keep.map((id) => ({ id }));
            words.files = request.files.map(makeFile);
        }
        return describe(await webhook.editMessage(request.message_id, words));
    },
    async fetch(webhook, request) {
        const words = request.thread_id ? { threadId: request.thread_id } : {};
        return describe(await webhook.fetchMessage(request.message_id, words));
    },
    async delete(webhook, request) {
        await webhook.deleteMessage(request.message_id);
    },
    async webhook(webhook) {
        const found = await webhook.rest.get(discord.Routes.webhook(webhook.id, webhook.token), {
            auth: false,
        });
        return { name: found.name, channel_id: found.channel_id };
    },
    async rename(webhook, request) {
        const changed = await webhook.edit({ name: request.name, avatar: PICTURE });
        return { name: changed.name, has_picture: changed.avatar !== null };
    },
};

function makeFile(file) {
    const { text, name, description } = file;
    return new discord.AttachmentBuilder(Buffer.from(text), { name, description });
}

function makePoll(poll) {
    return {
        question: { text: poll.question },
        answers: poll.answers.map((text) => ({ text, emoji: "🎮" })),
        duration: poll.hours,
        allowMultiselect: false,
    };
}

function makeComponents(kind) {
    const button = new discord.ButtonBuilder()
        .setStyle(discord.ButtonStyle.Link)
        .setLabel("Join")
        .setURL(LINK);
    const row = new discord.ActionRowBuilder().addComponents(button);
    if (kind === "link") return { components: [row], withComponents: true };

    const text = (content) => new discord.TextDisplayBuilder().setContent(content);
    const thumbnail = new discord.ThumbnailBuilder()
        .setURL("https://example.com/a.png")
        .setDescription("a picture");
    const section = new discord.SectionBuilder()
        .addTextDisplayComponents(text("tonight"))
        .setThumbnailAccessory(thumbnail);
    const item = new discord.MediaGalleryItemBuilder().setURL("https://example.com/b.png");
    const container = new discord.ContainerBuilder()
        .setAccentColor(0x00ff00)
        .addTextDisplayComponents(text(TEXT))
        .addSectionComponents(section)
        .addSeparatorComponents(new discord.SeparatorBuilder())
        .addMediaGalleryComponents(new discord.MediaGalleryBuilder().addItems(item))
        .addActionRowComponents(row);
    return {
        components: [container],
        withComponents: true,
        flags: discord.MessageFlags.IsComponentsV2,
    };
}

// What the client understood of a message; without a bot's cache that is Discord's object.
function describe(message) {
    return {
        id: message.id,
        channel_id: message.channel_id ?? message.channelId,
        content: message.content,
        author: message.author.username,
        embeds: message.embeds.map((embed) => [embed.title, embed.color ?? null]),
        mentions: message.mentions.map((user) => [user.id, user.username]),
        attachments: message.attachments.map((item) => [
            item.id,
            item.filename,
            item.size,
            item.url,
            item.description ?? null,
        ]),
        poll: message.poll
            ? [
                  message.poll.question.text,
                  message.poll.answers.map((answer) => [answer.answer_id, answer.poll_media.text]),
              ]
            : null,
        components: message.components.map((item) => [item.type, item.id]),
        edited: message.edited_timestamp !== null,
    };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
    const { call, base, id, token, ...request } = JSON.parse(line);
    const webhook = new discord.WebhookClient({ id, token }, { rest: { api: `${base}/api` } });
    let answer;
    try {
        answer = { result: (await calls[call](webhook, request)) ?? null };
    } catch (error) {
        if (error instanceof discord.DiscordAPIError) {
            answer = { rejected: [error.status, error.code] };
        } else if (error instanceof discord.HTTPError) {
            answer = { rejected: [error.status, null] };
        } else {
            answer = { crashed: error.stack };
        }
    }
    webhook.destroy();
    console.log(JSON.stringify(answer));
}
