// A webhook in the list of channels.

import { DELIVERED, outcomeNotice } from "./outcome.js";
import { Part } from "./part.js";
import { LiveBadge, quietWords, stateWords } from "./states.js";
import { describePlace, describeWebhook } from "./webhooks.js";

const PARTS = {
  about: ["p", {}],
  posts: ["p", {}],
  quiet: ["p", { class: "lane-reason" }],
  problem: ["p", { class: "lane-reason lane-reason-bad" }],
  place: ["p", { class: "muted" }],
  buttons: ["div", {}],
  result: ["div", { class: "result" }],
  form: ["div", {}],
};

/** What a webhook is called, how it is, what it posts, and the buttons that change that. */
export class ChannelRow {
  /** @param {Channels} channels changes it */
  constructor(host, name, channels) {
    this.host = host;
    this.name = name;
    this.channels = channels;
    this.form = null;
    this.isTesting = false;
    const { element } = host;
    this.badge = new LiveBadge(host);
    this.heading = element("h3", { tabindex: "-1" }, element("bdi", {}, name));
    this.parts = Object.fromEntries(Object.entries(PARTS).map(([key, [tag, props]]) => [key, new Part(host, tag, props)]));
    this.node = element(
      "li",
      { class: "webhook", "data-webhook": name },
      element("div", { class: "webhook-head" }, this.heading, this.badge.node),
      Object.values(this.parts).map(({ node }) => node),
    );
  }

  /** Whether it holds a form, which must not be lost. */
  get isEdited() {
    return this.form !== null;
  }

  show(webhook, hasRoutes) {
    this.webhook = webhook;
    const { words } = this.host;
    const { discord, discord_reason: discordReason, pending, place, source, state } = webhook;
    const isRejected = source !== null && discord === "rejected";
    const quiet = quietWords(words, webhook);
    const reason = (quiet ? "" : webhook.reason) || (isRejected ? discordReason : "");
    const problem = [reason, hasRoutes ? "" : webhook.events_problem].filter(Boolean).map(words.sentence).join(" ");
    const { parts } = this;
    this.badge.set(...(source === null ? ["Removed", "warn"] : stateWords(isRejected ? "dead" : state)));
    parts.about.show([source, discord, describedBy(webhook)], () => this.#about());
    parts.posts.show(source === null ? pending : [webhook.events, webhook.style, hasRoutes], () => this.#posts(hasRoutes));
    parts.quiet.show(quiet || null, () => quiet);
    parts.problem.show(problem || null, () => problem);
    parts.place.show(source === "yaml" ? place ?? "" : null, () => ["Set in ", describePlace(this.host, place), "."]);
    this.#showButtons();
  }

  focus() {
    this.heading.focus();
  }

  #about() {
    const { source, state } = this.webhook;
    if (source === null) {
      return "It was removed.";
    }

    return source === "saved" && state === "unconfigured" ? "It is not used." : describeWebhook(this.host, this.webhook);
  }

  #posts(hasRoutes) {
    const { element, words } = this.host;
    const { events, pending, source, style } = this.webhook;
    if (source === null) {
      return `${words.counted(pending, "event")} ${pending === 1 ? "waits" : "wait"} for it, and ${pending === 1 ? "is" : "are"} sent once a channel has this name again.`;
    }

    const types = events?.flatMap((name, index) => [index > 0 && ", ", element("code", {}, name)]) ?? "all events";
    const what = hasRoutes ? "what the routes say" : types;
    return ["Posts ", what, style === "embeds" ? ", each in an embed of its own." : ", several at a time in one list."];
  }

  #showButtons() {
    const { element, may } = this.host;
    const { source, state } = this.webhook;
    const canTest = source !== null && state !== "unconfigured";
    const button = (verb, onclick, kind = "") =>
      element("button", { class: `button ${kind}`.trim(), type: "button", "aria-label": `${verb} ${this.name}`, onclick }, verb);
    const isShown = may("admin") && !this.isEdited && (source !== "yaml" || canTest);
    this.parts.buttons.show(isShown ? [source, canTest] : null, () =>
      element(
        "div",
        { class: "actions" },
        source === "saved" && button("Edit", () => this.#edit()),
        canTest && (this.testButton = button("Test", () => this.#test())),
        source === "saved" && button("Remove", () => this.#remove(), "button-quiet-danger"),
        source === null && button("Add again", () => this.channels.add(this.name)),
      ),
    );
  }

  #edit() {
    this.form = this.channels.makeForm({
      webhook: this.webhook,
      cancel: () => {
        this.#leave();
        this.parts.buttons.node.querySelector("button")?.focus();
      },
      saved: (name) => {
        this.#leave();
        this.channels.show(this.channels.answer);
        this.channels.focus(name);
      },
    });
    this.parts.result.show(null);
    this.parts.form.show(true, () => this.form.node);
    this.#showButtons();
    this.form.focus();
  }

  #leave() {
    this.form = null;
    this.parts.form.show(null);
    this.#showButtons();
  }

  async #remove() {
    const { words } = this.host;
    const waiting = this.webhook.pending > 0 ? ` ${words.counted(this.webhook.pending, "event")} that wait for it stay until a channel has this name again.` : "";
    const detail = `LANrage forgets its URL, which is not shown again: copy it from Discord if you need it later.${waiting}`;
    if (await this.host.confirm(`Remove ${this.name}?`, detail, "Remove")) {
      await this.#try(() => this.channels.remove(this.webhook));
    }
  }

  async #test() {
    if (this.isTesting) {
      return;
    }

    this.isTesting = true;
    this.testButton.setAttribute("aria-disabled", "true");
    this.parts.result.show(null);
    try {
      await this.#try(async () => {
        const outcome = await this.host.api("/test", { method: "POST", body: { webhook: this.name } });
        this.#showResult(() => outcomeNotice(this.host, outcome));
        if (outcome.delivered) {
          this.host.announce(DELIVERED);
        }
      });
    } finally {
      this.isTesting = false;
      this.testButton.removeAttribute("aria-disabled");
    }

    await this.channels.changed().catch(() => {});
  }

  async #try(action) {
    this.parts.result.show(null);
    try {
      await action();
    } catch (problem) {
      this.#showResult(() => this.host.notice("error", problem.detail ?? String(problem)));
    }
  }

  #showResult(make) {
    this.parts.result.show(null);
    this.parts.result.show(true, make);
  }
}

function describedBy({ state, posts_as: name, channel_id: channel, channel_url: url, discord_reason: reason }) {
  return [state === "unconfigured", name, channel, url, reason];
}
