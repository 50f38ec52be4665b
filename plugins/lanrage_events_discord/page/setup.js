// Setting up Discord: a channel, a test message, and an invite to the voice chat.

import { Channels } from "./channels.js";
import { Figures, lanesInUse } from "./states.js";
import { TestCard } from "./test-card.js";
import { checkInviteUrl, checkWebhookUrl } from "./urls.js";
import { FieldCard } from "./field-card.js";
import { describeChannel } from "./webhooks.js";

const FIRST_CHANNEL = {
  title: "Connect a channel",
  about: "A webhook lets LANrage post in one channel of your Discord server.",
};
const ANOTHER_CHANNEL = {
  title: "Connect another channel",
  about: "There are webhooks already. One that is set here is named “default”, as in routes of the configuration.",
};

/**
 * Show the setup.
 *
 * @param {(status?: object) => Promise<void>} refresh shows a status, or asks for it
 * @returns {{show: (status: object) => void}}
 */
export function mountSetup(root, host, refresh) {
  const setup = new Setup(host, refresh);
  root.append(...setup.nodes);
  host.api("/instructions").then(
    (instructions) => setup.setInstructions(instructions),
    () => {},
  );
  return setup;
}

class Setup {
  constructor(host, refresh) {
    this.host = host;
    this.refresh = refresh;
    const { element } = host;
    this.webhook = new FieldCard(host, {
      key: "webhook",
      number: 1,
      ...FIRST_CHANNEL,
      done: "Connected",
      label: "Webhook URL",
      example: "https://discord.com/api/webhooks/…",
      check: checkWebhookUrl,
      secret: true,
      save: (url, offline) => this.saveWebhook(url, offline),
      remove: () => this.removeWebhook(),
      describe: (value) => (value.name ? ["Posts as ", element("strong", {}, element("bdi", {}, value.name)), describeChannel(host, value), "."] : ["A webhook is set."]),
    });
    this.test = new TestCard(host, 2, refresh);
    this.invite = new FieldCard(host, {
      key: "invite",
      number: 3,
      title: "Invite to voice chat",
      done: "Set",
      optional: true,
      about: "With an invite, messages about a new party show a link to the voice channel.",
      label: "Invite URL",
      example: "https://discord.gg/abc123",
      check: checkInviteUrl,
      save: (url) => this.setInvite(url),
      remove: () => this.setInvite(""),
      describe: (value) => ["Messages show ", element("strong", {}, element("bdi", {}, value.url ?? "the invite")), "."],
    });
    this.summary = new Summary(host);
    const steps = element("ol", { class: "steps" }, this.webhook.node, this.test.node, this.invite.node);
    this.channels = new Channels(host, {
      changed: () => this.refresh(),
      // Who wrote the configuration looks for its webhooks, and a newcomer for the first step.
      placed: (isNamed) => steps[isNamed ? "before" : "after"](this.channels.node),
    });
    this.nodes = [steps, this.summary.node];
  }

  setInstructions(instructions) {
    this.webhook.setInstructions(instructions.webhook);
    this.invite.setInstructions(instructions.invite);
    this.channels.setInstructions(instructions.webhook);
  }

  show(status) {
    // The default webhook is optional if the configuration has named ones.
    const isOptional = !status.webhook.configured && lanesInUse(status).length > 0;
    this.webhook.setOptional(isOptional, isOptional ? ANOTHER_CHANNEL : FIRST_CHANNEL);
    this.webhook.show(status.webhook, status.state, status.reason);
    this.invite.show(status.invite, "idle", "");
    this.test.show(status);
    this.summary.show(status);
  }

  async saveWebhook(url, offline) {
    await this.#post(`/webhook${offline ? "?offline=true" : ""}`, { webhook_url: url });
    this.host.announce("The webhook is saved. Now send a test message.");
    this.test.begin();
  }

  async removeWebhook() {
    await this.#post("/webhook", { webhook_url: "" });
    this.test.clear();
    this.host.announce("The webhook is removed.");
    this.webhook.focus();
  }

  async setInvite(url) {
    await this.#post("/invite", { invite_url: url });
    this.host.announce(`The invite is ${url ? "saved" : "removed"}.`);
    this.invite.focus();
  }

  async #post(path, body) {
    await this.refresh(await this.host.api(path, { method: "POST", body }));
  }
}

/** What was sent so far. */
class Summary {
  constructor(host) {
    this.host = host;
    const { element, newId } = host;
    const id = newId("figures");
    this.figures = new Figures(host, { sent: "Sent", pending: "Waiting", failed: "Rejected" });
    this.error = element("p", { class: "last-error" });
    this.node = element(
      "section",
      { class: "card figures", "aria-labelledby": id, hidden: true },
      element("h2", { id }, "So far"),
      this.figures.node,
      this.error,
      element("p", {}, element("a", { href: "#/delivery" }, "See the delivery in detail")),
    );
  }

  show(status) {
    const { setText, words } = this.host;
    this.node.hidden = status.state === "unconfigured" && status.sent === 0 && status.pending === 0;
    this.figures.show(status);
    setText(this.error, status.last_error && words.sentence(`Last error: ${status.last_error}`));
  }
}
