// The channels: every webhook, where it is set, what it posts, and how that is changed.

import { ChannelForm } from "./channel-form.js";
import { ChannelRow } from "./channel-row.js";
import { Part } from "./part.js";
import { describePlace } from "./webhooks.js";

const EVERY_MS = 2000;
const DEFAULT = "default";

/** A card with each webhook, hidden as long as there is none. */
export class Channels {
  /**
   * @param {() => Promise<void>} changed called when something was saved or sent
   * @param {(isNamed: boolean) => void} placed called once it is known if the configuration names webhooks
   */
  constructor(host, { changed, placed }) {
    this.host = host;
    this.changed = changed;
    this.placed = placed;
    this.rows = new Map();
    this.answer = null;
    this.changes = 0;
    this.types = null;
    this.instructions = null;
    const { element, newId } = host;
    const id = newId("channels");
    this.heading = element("h2", { id, tabindex: "-1" }, "Channels");
    this.routes = new Part(host, "p", { class: "muted" });
    this.list = element("ul", { class: "webhooks" });
    this.adding = new Part(host);
    this.form = null;
    this.node = element("section", { class: "card channels", "aria-labelledby": id, hidden: true }, this.heading, this.routes.node, this.list, this.adding.node);
    host.every(EVERY_MS, async () => {
      const before = this.changes;
      const answer = await host.api("/webhooks");
      // What was asked before a change would show it undone.
      if (before === this.changes) {
        this.show(answer);
      }
    });
  }

  setInstructions(instructions) {
    this.instructions = instructions;
  }

  show(answer) {
    const { webhooks } = answer;
    if (this.answer === null) {
      this.placed(webhooks.some(({ name, source }) => source === "yaml" && name !== DEFAULT));
    }

    this.answer = answer;
    this.node.hidden = webhooks.length === 0 && this.form === null && ![...this.rows.values()].some((row) => row.isEdited);
    this.routes.show(answer.routes_configured ? answer.routes_place ?? "" : null, () => [
      "The routes in ",
      describePlace(this.host, answer.routes_place),
      " decide which events each of them posts.",
    ]);
    for (const [name, row] of [...this.rows]) {
      // What is typed stays, also if another browser removes the webhook.
      if (!row.isEdited && !webhooks.some((webhook) => webhook.name === name)) {
        row.node.remove();
        this.rows.delete(name);
      }
    }

    for (const webhook of webhooks) {
      if (!this.rows.has(webhook.name)) {
        const row = new ChannelRow(this.host, webhook.name, this);
        this.rows.set(webhook.name, row);
        this.list.append(row.node);
      }

      this.rows.get(webhook.name).show(webhook, answer.routes_configured);
    }

    this.#showAdding();
  }

  /** Make a form that changes a webhook, or adds one without it. */
  makeForm({ webhook = null, name = "", cancel, saved }) {
    this.types ??= this.host.api("/preview").then(({ types }) => types.map(({ type, description }) => ({ type, description })));
    this.types.catch(() => (this.types = null));
    return new ChannelForm(this.host, {
      webhook,
      name,
      types: this.types,
      routes: this.answer.routes_configured ? this.answer.routes_place ?? "" : null,
      instructions: webhook ? null : this.instructions,
      cancel,
      save: (settings, offline) => this.#save(webhook?.name ?? null, settings, offline),
      saved,
    });
  }

  /** Open the form for another webhook. */
  add(name = "") {
    this.form ??= this.makeForm({
      name,
      cancel: () => {
        this.#closeForm();
        this.adding.node.querySelector("button")?.focus();
      },
      saved: (now) => {
        this.#closeForm();
        this.focus(now);
      },
    });
    this.#showAdding();
    this.form.focus();
  }

  async remove(webhook) {
    const query = new URLSearchParams({ name: webhook.name });
    await this.#change(() => this.host.api(`/webhooks?${query}`, { method: "DELETE" }));
    this.host.announce(`The channel ${webhook.name} is removed.`);
    this.focus(webhook.name);
  }

  /** Move the focus to a webhook, or to the card without it. */
  focus(name) {
    const row = this.rows.get(name);
    if (row) {
      row.focus();
    } else if (!this.node.hidden) {
      this.heading.focus();
    }
  }

  async #save(name, settings, offline) {
    const query = new URLSearchParams({ ...(name === null ? {} : { name }), ...(offline ? { offline: "true" } : {}) });
    const method = name === null ? "POST" : "PATCH";
    await this.#change(() => this.host.api(`/webhooks?${query}`, { method, body: settings }));
    this.host.announce(`The channel ${settings.name} is saved.`);
  }

  async #change(request) {
    const answer = await request();
    this.changes += 1;
    this.show(answer);
    this.changed().catch(() => {});
  }

  #closeForm() {
    this.form = null;
    this.show(this.answer);
  }

  #showAdding() {
    const { element, may } = this.host;
    this.adding.show(may("admin") ? this.form !== null : null, () =>
      this.form
        ? this.form.node
        : element("div", { class: "actions" }, element("button", { class: "button", type: "button", onclick: () => this.add() }, "Add a channel")),
    );
  }
}
