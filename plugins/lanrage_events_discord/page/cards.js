// The open cards: what Discord has of each, and the buttons that post one again or remove it.

import { Part } from "./part.js";
import { LiveBadge } from "./states.js";

const EVERY_MS = 2000;
const MOST = 200;
const STATES = { shown: ["Shown", "good"], waiting: ["Waiting for Discord", "neutral"], stopped: ["Stopped", "bad"] };
const POST_AGAIN = {
  verb: "Post again",
  detail: "A new message appears at the end of the channel, without a sound, and the old one is deleted.",
  done: "is posted again",
  request: (id) => [`/cards/${encodeURIComponent(id)}/post`, { method: "POST" }],
};
const REMOVE = {
  verb: "Remove",
  detail: "Its message is deleted in Discord, and this party gets no card there any more. The next party gets one again.",
  done: "is removed",
  request: (id) => [`/cards/${encodeURIComponent(id)}`, { method: "DELETE" }],
};

/** Show the open cards. */
export function mountCards(root, host) {
  const cards = new Cards(host);
  root.append(cards.node);
  return { show() {} };
}

class Cards {
  constructor(host) {
    this.host = host;
    this.rows = new Map();
    this.changes = 0;
    const { element, newId } = host;
    const id = newId("cards");
    this.heading = element("h2", { id, tabindex: "-1" }, "Cards");
    this.empty = new Part(host, "p", { class: "muted" });
    this.list = element("ul", { class: "webhooks" });
    this.more = new Part(host, "p", { class: "muted" });
    this.node = element("section", { class: "card channels", "aria-labelledby": id, hidden: true }, this.heading, this.empty.node, this.list, this.more.node);
    host.every(EVERY_MS, async () => {
      const before = this.changes;
      const answer = await host.api(`/cards?limit=${MOST}`);
      // What was asked before a change would show it undone.
      if (before === this.changes) {
        this.show(answer);
      }
    });
  }

  show({ cards, configured, total }) {
    const { element, words } = this.host;
    this.node.hidden = false;
    this.empty.show(cards.length === 0 ? configured : null, () =>
      configured
        ? "There is no card now. The next party that someone joins has one."
        : ["A card is one message per party that always shows who is on. Give the plugin the setting ", element("code", {}, "cards"), " in the configuration, and the parties have one."],
    );
    const keys = new Set(cards.map(({ id }) => id));
    for (const [id, row] of [...this.rows]) {
      if (!keys.has(id)) {
        const hadFocus = row.node.contains(document.activeElement);
        row.node.remove();
        this.rows.delete(id);
        if (hadFocus) {
          this.heading.focus();
        }
      }
    }

    cards.forEach((card, index) => {
      if (!this.rows.has(card.id)) {
        this.rows.set(card.id, new CardRow(this.host, card.id, this));
      }

      const { node } = this.rows.get(card.id);
      // A row that is moved would lose the focus.
      if (this.list.children[index] !== node) {
        this.list.insertBefore(node, this.list.children[index] ?? null);
      }

      this.rows.get(card.id).show(card);
    });
    const left = total - cards.length;
    this.more.show(left > 0 ? left : null, () => `${words.counted(left, "more card")}, not shown here.`);
  }

  async change([path, options]) {
    const answer = await this.host.api(path, options);
    this.changes += 1;
    this.show(answer);
  }
}

/** One card: its party, what Discord has of it, and the buttons. */
class CardRow {
  constructor(host, id, cards) {
    this.host = host;
    this.id = id;
    this.cards = cards;
    this.isBusy = false;
    const { element } = host;
    this.name = element("bdi", { class: "card-name" });
    this.badge = new LiveBadge(host);
    this.about = new Part(host, "p", {});
    this.times = element("p", { class: "muted" });
    this.problem = new Part(host, "p", {});
    this.buttons = new Part(host);
    this.result = new Part(host, "div", { class: "result" });
    this.node = element(
      "li",
      { class: "webhook", "data-card": id },
      element("div", { class: "webhook-head" }, element("h3", {}, this.name), this.badge.node),
      this.about.node,
      this.problem.node,
      this.times,
      this.buttons.node,
      this.result.node,
    );
  }

  show(card) {
    this.card = card;
    const { may, setText, words } = this.host;
    const { message_url: url, over, party, posted, reason, state, webhook } = card;
    const name = party ?? "A party without a name";
    setText(this.name, words.hasInk(name) ? name : words.quoted(name));
    const [text, tone] = STATES[state] ?? [state, "neutral"];
    this.badge.set(text, state === "waiting" && reason ? "warn" : tone);
    this.about.show([webhook, over, url], () => this.#about());
    const bad = state === "stopped" ? "bad" : "warn";
    this.problem.show(reason ? [reason, bad] : null, () => words.sentence(reason));
    this.problem.node.className = `lane-reason lane-reason-${bad}`;
    const changed = `last change ${words.ago(card.last_change)}`;
    setText(this.times, `Began ${words.ago(card.since)}, ${changed}${posted === null ? ", not posted yet" : ""}.`);
    this.buttons.show(may("admin") ? [name] : null, () => this.#buttons(name));
  }

  #about() {
    const { element } = this.host;
    const { message_url: url, over, webhook } = this.card;
    return [
      "Webhook ",
      element("bdi", {}, webhook),
      over ? ". The party is over." : ".",
      url && [" ", element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Open the message in Discord")],
    ];
  }

  #buttons(name) {
    const { element } = this.host;
    const button = (action, kind = "") =>
      element("button", { class: `button ${kind}`.trim(), type: "button", "aria-label": `${action.verb} ${name}`, onclick: () => this.#do(action, name) }, action.verb);
    return element("div", { class: "actions" }, button(POST_AGAIN), button(REMOVE, "button-quiet-danger"));
  }

  async #do({ detail, done, request, verb }, name) {
    const { announce, confirm, notice } = this.host;
    if (this.isBusy || !(await confirm(`${verb}: ${name}?`, detail, verb))) {
      return;
    }

    this.isBusy = true;
    this.result.show(null);
    try {
      await this.cards.change(request(this.id));
      announce(`The card of ${name} ${done}.`);
    } catch (problem) {
      this.result.show(problem.detail ?? String(problem), () => notice("error", problem.detail ?? String(problem)));
    } finally {
      this.isBusy = false;
    }
  }
}
