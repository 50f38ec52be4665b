// Setting up Discord: a channel, a test message, and an invite to the voice chat.

import { LiveBadge, hint, lanesInUse } from "./states.js";
import { urlForm } from "./urlform.js";
import { checkInviteUrl, checkWebhookUrl } from "./urls.js";

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
    this.webhook = new ValueCard(host, {
      key: "webhook",
      number: 1,
      title: "Connect a channel",
      about: "A webhook lets LANrage post in one channel of your Discord server.",
      label: "Webhook URL",
      example: "https://discord.com/api/webhooks/…",
      check: checkWebhookUrl,
      secret: true,
      save: (url, offline) => this.saveWebhook(url, offline),
      remove: () => this.removeWebhook(),
      describe: (value) => (value.name ? ["Posts as ", element("strong", {}, element("bdi", {}, value.name)), "."] : ["A webhook is set."]),
    });
    this.test = new TestCard(host, 2, refresh);
    this.invite = new ValueCard(host, {
      key: "invite",
      number: 3,
      title: "Invite to voice chat",
      optional: true,
      about: "With an invite, messages about a new party show a link to the voice channel.",
      label: "Invite URL",
      example: "https://discord.gg/abc123",
      check: checkInviteUrl,
      save: (url) => this.saveInvite(url),
      remove: () => this.removeInvite(),
      describe: (value) => ["Messages show ", element("strong", {}, element("bdi", {}, value.url ?? "the invite")), "."],
    });
    this.figures = new Figures(host);
    this.nodes = [element("ol", { class: "steps" }, this.webhook.node, this.test.node, this.invite.node), this.figures.node];
  }

  setInstructions(instructions) {
    this.webhook.setInstructions(instructions.webhook);
    this.invite.setInstructions(instructions.invite);
  }

  show(status) {
    // Named webhooks are the configuration's; this one is for what has no name.
    this.webhook.setOptional(!status.webhook.configured && lanesInUse(status).length > 0);
    this.webhook.show(status.webhook, status.state, status.reason);
    this.invite.show(status.invite, "idle", "");
    this.test.show(status);
    this.figures.show(status);
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

  async saveInvite(url) {
    await this.#post("/invite", { invite_url: url });
    this.host.announce("The invite is saved.");
    this.invite.focus();
  }

  async removeInvite() {
    await this.#post("/invite", { invite_url: "" });
    this.host.announce("The invite is removed.");
    this.invite.focus();
  }

  async #post(path, body) {
    await this.refresh(await this.host.api(path, { method: "POST", body }));
  }
}

/** One value that is set here or in the configuration, with how to come by it. */
class ValueCard {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.instructions = null;
    this.shown = "";
    this.replacing = false;
    this.value = null;
    const { element, newId } = host;
    const id = newId(options.key);
    this.badge = new LiveBadge(host);
    this.heading = element("h2", { id, tabindex: "-1" }, options.title);
    this.optional = element("span", { class: "optional", hidden: !options.optional }, "optional");
    this.body = element("div", { class: "step-body" });
    this.node = element(
      "li",
      { class: "step card", "aria-labelledby": id, "data-step": options.key },
      element("div", { class: "step-number", "aria-hidden": "true" }, options.number),
      element(
        "div",
        { class: "step-content" },
        element(
          "div",
          { class: "step-head" },
          this.heading,
          this.optional,
          this.badge.node,
        ),
        this.body,
      ),
    );
  }

  setInstructions(instructions) {
    this.instructions = instructions;
    this.shown = "";
    if (this.value) {
      this.#showBody();
    }
  }

  setOptional(optional) {
    this.options.optional = optional;
    this.optional.hidden = !optional;
  }

  show(value, state, reason) {
    this.value = value;
    this.reason = state === "dead" ? reason : "";
    if (!value.configured) {
      this.badge.set("Not set", "neutral");
    } else if (state === "dead") {
      this.badge.set("Not working", "bad");
    } else {
      this.badge.set("Set", "good");
    }

    this.node.classList.toggle("step-done", value.configured && state !== "dead");
    this.node.classList.toggle("step-current", !this.options.optional && (!value.configured || state === "dead"));
    this.#showBody();
  }

  focus() {
    this.heading.focus();
  }

  #showBody() {
    const now = JSON.stringify([this.value, this.reason, this.replacing, this.options.optional]);
    // What is typed stays: the body is only made anew if it would be another one.
    if (now === this.shown) {
      return;
    }

    this.shown = now;
    const { element, fill } = this.host;
    const { value } = this;
    if (value.configured && value.source === "yaml") {
      fill(this.body, this.#describe(), this.#trouble(), this.#place());
    } else if (value.configured && !this.replacing) {
      fill(this.body, this.#describe(), this.#trouble(), this.#buttons());
    } else {
      fill(
        this.body,
        element("p", {}, this.options.about),
        value.configured ? this.#trouble() : null,
        this.#steps(),
        this.#form(),
      );
    }
  }

  #describe() {
    return this.host.element("p", {}, this.options.describe(this.value));
  }

  #trouble() {
    const { element, notice } = this.host;
    return this.reason
      ? notice("error", element("p", {}, this.host.words.sentence(this.reason)), element("p", {}, "Replace the URL: what waits is sent then."))
      : null;
  }

  #place() {
    const { element } = this.host;
    const [file, line] = splitPlace(this.value.place);
    return element(
      "p",
      { class: "read-only" },
      file
        ? ["It is set in ", element("code", {}, file), line ? `, line ${line}` : "", ". Change it there; the configuration has precedence over this page."]
        : "It is set in the configuration, which has precedence over this page.",
    );
  }

  #buttons() {
    const { element } = this.host;
    const what = this.options.label;
    return element(
      "div",
      { class: "actions" },
      element("button", { class: "button", type: "button", "aria-label": `Replace the ${what}`, onclick: () => this.#replace(true) }, "Replace"),
      element("button", { class: "button button-quiet-danger", type: "button", "aria-label": `Remove the ${what}`, onclick: () => this.#remove() }, "Remove"),
    );
  }

  #steps() {
    if (!this.instructions) {
      return null;
    }

    const { element } = this.host;
    const list = element("ol", { class: "instructions" }, this.instructions.steps.map((step) => element("li", {}, step)));
    // Who sets it up for the first time needs them; the optional one and a replacement may not.
    const open = !this.options.optional && !this.replacing;
    return element("details", { class: "how", open }, element("summary", {}, this.instructions.heading.replace(/:$/, "")), list);
  }

  #form() {
    const { label, example, check, save, secret } = this.options;
    const { form, input } = urlForm(this.host, {
      label,
      example,
      check,
      secret,
      isMain: !this.options.optional,
      save: async (url, offline) => {
        const before = this.replacing;
        this.replacing = false;
        try {
          await save(url, offline);
        } catch (problem) {
          this.replacing = before;
          throw problem;
        }
      },
      cancel: this.replacing ? () => this.#replace(false) : null,
    });
    this.input = input;
    return form;
  }

  #replace(on) {
    this.replacing = on;
    this.#showBody();
    if (on) {
      this.input.focus();
    } else {
      this.focus();
    }
  }

  async #remove() {
    const { label, remove } = this.options;
    const lost = this.options.secret ? "It is not shown again, so copy it from Discord if you need it later." : "";
    if (!(await this.host.confirm(`Remove the ${label}?`, `LANrage forgets it. ${lost}`.trim(), "Remove"))) {
      return;
    }

    try {
      await remove();
    } catch (problem) {
      this.body.append(this.host.notice("error", problem.detail ?? String(problem)));
    }
  }
}

/** One real message, and what became of it. */
class TestCard {
  constructor(host, number, refresh) {
    this.host = host;
    this.refresh = refresh;
    this.lanes = "";
    const { element, newId } = host;
    const id = newId("test");
    const selectId = newId("lane");
    this.about = element("p", {});
    this.button = element("button", { class: "button", type: "button", onclick: () => this.send() }, "Send a test message");
    this.select = element("select", { class: "input", id: selectId });
    this.choice = element("div", { class: "field", hidden: true }, element("label", { for: selectId }, "Webhook"), this.select);
    this.result = element("div", { class: "result", role: "status" });
    this.badge = new LiveBadge(host);
    this.node = element(
      "li",
      { class: "step card", "aria-labelledby": id, "data-step": "test" },
      element("div", { class: "step-number", "aria-hidden": "true" }, number),
      element(
        "div",
        { class: "step-content" },
        element("div", { class: "step-head" }, element("h2", { id }, "Send a test message"), this.badge.node),
        element("div", { class: "step-body" }, this.about, this.choice, element("div", { class: "actions" }, this.button), this.result),
      ),
    );
    this.badge.set("Not tested", "neutral");
  }

  show(status) {
    const { element, fill } = this.host;
    const lanes = lanesInUse(status).map(({ name }) => name);
    const possible = lanes.length > 0;
    this.possible = possible;
    this.works = status.state !== "dead";
    this.button.disabled = !possible;
    this.#showCurrent();
    this.host.setText(
      this.about,
      possible ? "One real message goes to the channel, and Discord’s answer is shown here." : "Connect a channel first.",
    );
    this.choice.hidden = lanes.length < 2;
    if (lanes.join("\n") !== this.lanes) {
      this.lanes = lanes.join("\n");
      fill(this.select, lanes.map((name) => element("option", { value: name }, name)));
    }
  }

  /** Make the test what comes next. */
  begin() {
    this.clear();
    this.button.focus();
  }

  clear() {
    this.host.fill(this.result);
    this.badge.set("Not tested", "neutral");
    this.node.classList.remove("step-done");
    this.#showCurrent();
  }

  #showCurrent() {
    const isNext = this.possible && this.works && !this.node.classList.contains("step-done");
    this.node.classList.toggle("step-current", isNext);
    this.button.classList.toggle("button-primary", isNext);
  }

  async send() {
    if (this.sending) {
      return;
    }

    this.sending = true;
    this.button.setAttribute("aria-disabled", "true");
    this.host.setText(this.button, "Sending…");
    this.host.fill(this.result);
    try {
      const webhook = this.choice.hidden ? null : this.select.value;
      this.#tell(await this.host.api("/test", { method: "POST", body: { webhook } }));
    } catch (problem) {
      this.badge.set("Failed", "bad");
      this.host.fill(this.result, this.host.notice("error", problem.detail ?? String(problem)));
    } finally {
      this.sending = false;
      this.button.removeAttribute("aria-disabled");
      this.host.setText(this.button, "Send a test message");
    }

    await this.refresh().catch(() => {});
  }

  #tell(outcome) {
    const { element, fill, notice, words } = this.host;
    this.node.classList.toggle("step-done", outcome.delivered);
    this.#showCurrent();
    if (outcome.delivered) {
      this.badge.set("Delivered", "good");
      fill(
        this.result,
        notice(
          "good",
          element("p", {}, element("strong", {}, "Delivered."), " Look at the channel: the message is there."),
          outcome.message_id ? element("p", { class: "muted" }, "Message ", element("code", {}, outcome.message_id)) : null,
        ),
      );
      return;
    }

    this.badge.set("Not delivered", "bad");
    fill(
      this.result,
      notice(
        "error",
        element("p", {}, element("strong", {}, "Not delivered."), ` ${words.sentence(outcome.reason)}`),
        element("p", {}, hint(outcome)),
      ),
    );
  }
}

/** What was sent so far. */
class Figures {
  constructor(host) {
    this.host = host;
    const { element, newId } = host;
    const id = newId("figures");
    this.sent = element("dd", {});
    this.pending = element("dd", {});
    this.failed = element("dd", {});
    this.error = element("p", { class: "last-error" });
    this.node = element(
      "section",
      { class: "card figures", "aria-labelledby": id, hidden: true },
      element("h2", { id }, "So far"),
      element(
        "dl",
        { class: "stats" },
        element("div", {}, element("dt", {}, "Sent"), this.sent),
        element("div", {}, element("dt", {}, "Waiting"), this.pending),
        element("div", {}, element("dt", {}, "Refused"), this.failed),
      ),
      this.error,
      element("p", {}, element("a", { href: "#/delivery" }, "See the delivery in detail")),
    );
  }

  show(status) {
    const { setText, words } = this.host;
    this.node.hidden = status.state === "unconfigured" && status.sent === 0 && status.pending === 0;
    setText(this.sent, words.count(status.sent));
    setText(this.pending, words.count(status.pending));
    setText(this.failed, words.count(status.failed));
    setText(this.error, status.last_error ? words.sentence(`Last trouble: ${status.last_error}`) : "");
  }
}

function splitPlace(place) {
  const match = /^(.*?):(\d+)(?::\d+)?$/.exec(place ?? "");
  return match ? [match[1], match[2]] : [place, null];
}
