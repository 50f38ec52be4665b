// The webhooks that the configuration names: what they are called, where they post and how they are.

import { Part } from "./part.js";
import { LiveBadge, stateWords } from "./states.js";

const EVERY_MS = 2000;
// It is shown in the first step of the setup.
const DEFAULT = "default";

/** A card with each webhook, hidden if there is only the default one. */
export class WebhookList {
  constructor(host) {
    this.host = host;
    this.rows = new Map();
    const { element, newId } = host;
    const id = newId("webhooks");
    this.list = element("ul", { class: "webhooks" });
    this.node = element(
      "section",
      { class: "card", "aria-labelledby": id, hidden: true },
      element("h2", { id }, "Webhooks of the configuration"),
      this.list,
    );
    host.every(EVERY_MS, async () => this.show((await host.api("/webhooks")).webhooks));
  }

  show(webhooks) {
    const named = webhooks.filter(({ name }) => name !== DEFAULT);
    this.node.hidden = named.length === 0;
    for (const [name, row] of [...this.rows]) {
      if (!named.some((webhook) => webhook.name === name)) {
        row.node.remove();
        this.rows.delete(name);
      }
    }

    for (const webhook of named) {
      if (!this.rows.has(webhook.name)) {
        this.rows.set(webhook.name, new WebhookRow(this.host, webhook.name));
        this.list.append(this.rows.get(webhook.name).node);
      }

      this.rows.get(webhook.name).show(webhook);
    }
  }
}

class WebhookRow {
  constructor(host, name) {
    this.host = host;
    const { element } = host;
    this.badge = new LiveBadge(host);
    this.about = new Part(host, "p");
    this.problem = new Part(host, "p", { class: "lane-reason lane-reason-bad" });
    this.place = new Part(host, "p", { class: "muted" });
    this.node = element(
      "li",
      { class: "webhook", "data-webhook": name },
      element("div", { class: "webhook-head" }, element("h3", {}, element("bdi", {}, name)), this.badge.node),
      this.about.node,
      this.problem.node,
      this.place.node,
    );
  }

  show(webhook) {
    const { discord, discord_reason: discordReason, reason, place, state } = webhook;
    const isRejected = discord === "rejected";
    this.badge.set(...(isRejected ? stateWords("dead") : stateWords(state)));
    this.about.show([discord, channelKey(webhook)], () => describeWebhook(this.host, webhook));
    const problem = reason || (isRejected ? discordReason : "");
    this.problem.show(problem || null, () => this.host.words.sentence(problem));
    this.place.show(place ?? "", () => this.#place(place));
  }

  #place(place) {
    const { element } = this.host;
    const [file, line] = splitPlace(place);
    return file ? ["Set in ", element("code", {}, file), line ? `, line ${line}` : "", "."] : "Set in the configuration.";
  }
}

/** Return who posts and where, as far as that is known. */
export function describeWebhook(host, { discord, discord_reason: reason, ...webhook }) {
  const { element, words } = host;
  if (webhook.posts_as) {
    return ["Posts as ", element("strong", {}, element("bdi", {}, webhook.posts_as)), describeChannel(host, webhook), "."];
  }

  return {
    pending: "Discord is being asked what it is named and where it posts…",
    unreachable: `Discord cannot be asked at the moment what it is named and where it posts. ${words.sentence(reason)}`,
    rejected: "Discord does not have this webhook.",
    found: "It has no name in Discord.",
  }[discord];
}

/** Return the channel of a webhook. */
export function describeChannel(host, { channel_id: channel, channel_url: url }) {
  if (!channel) {
    return null;
  }

  const id = host.element("code", {}, channel);
  return [" in ", url ? host.element("a", { href: url, target: "_blank", rel: "noreferrer" }, "channel ", id) : ["channel ", id]];
}

/** Split a place into the file and the line, which is null if it has none. */
export function splitPlace(place) {
  const match = /^(.*?):(\d+)(?::\d+)?$/.exec(place ?? "");
  return match ? [match[1], match[2]] : [place, null];
}

function channelKey({ posts_as: name, channel_id: channel, channel_url: url, discord_reason: reason }) {
  return [name, channel, url, reason];
}
