// What messages look like: one event, or the digest of several, with values that can be edited.

import { EventList } from "./event-list.js";
import { drawMessage } from "./message.js";

const PAUSE_MS = 250;
const NEARLY_FULL = 0.8;
// A digest begins with as many events, so that there is something to see.
const FIRST_EVENTS = 3;

/** Show the preview. */
export function mountPreview(root, host) {
  new Preview(root, host).load();
  return { show() {} };
}

class Preview {
  constructor(root, host) {
    this.host = host;
    this.timer = null;
    this.asked = 0;
    this.isDigest = false;
    this.events = [];
    this.current = 0;
    const { element, newId } = host;
    const id = newId("type");
    this.select = element("select", { class: "input", id, onchange: () => this.choose() });
    this.description = element("p", { class: "muted" });
    this.form = element("form", { class: "preview-form", onsubmit: (event) => event.preventDefault() });
    this.one = element("button", { class: "chip", type: "button", onclick: () => this.setDigest(false) }, "One event");
    this.several = element("button", { class: "chip", type: "button", onclick: () => this.setDigest(true) }, "A digest of several");
    this.list = new EventList(host, {
      open: (index) => this.open(index),
      add: () => this.add(),
      remove: (index) => this.remove(index),
    });
    this.catchUp = element("input", { type: "checkbox", onchange: () => this.draw() });
    this.catchUpLabel = element("label", { class: "null-switch catch-up", hidden: true }, this.catchUp, "after an outage, with the time of each event");
    this.messages = element("div", { class: "messages" });
    this.limits = element("h2", {}, "Discord’s limits");
    this.meters = element("div", { class: "meters" });
    this.problems = element("div", { class: "result", "aria-live": "polite" });
    this.body = element("pre", { class: "code", tabindex: "0" });
    root.append(
      element("p", { class: "lead" }, "See what events look like in Discord, with your templates, before they happen. Nothing is sent."),
      element(
        "div",
        { class: "preview" },
        element(
          "section",
          { class: "card", "aria-label": "The event" },
          element("div", { class: "chips preview-kind", role: "group", "aria-label": "What to preview" }, this.one, this.several),
          this.list.node,
          this.catchUpLabel,
          element("div", { class: "field" }, element("label", { for: id }, "Event type"), this.select),
          this.description,
          this.form,
        ),
        element(
          "section",
          { class: "preview-result", "aria-label": "The message" },
          this.problems,
          this.messages,
          element("div", { class: "card" }, this.limits, this.meters),
          element("details", { class: "card" }, element("summary", {}, "The message as it is posted"), this.body),
        ),
      ),
    );
    this.#showKind();
  }

  async load() {
    const { element, fill, words } = this.host;
    try {
      const { types, max_events: most } = await this.host.api("/preview");
      this.types = types;
      this.most = most;
    } catch (problem) {
      fill(this.problems, this.host.notice("error", problem.detail ?? String(problem)));
      return;
    }

    fill(this.select, this.types.map(({ type }) => element("option", { value: type }, words.words(type))));
    this.choose();
  }

  /** Begin with a sample of the chosen type. */
  choose() {
    this.events[this.current] = this.#sample(this.select.value);
    this.#edit(this.current);
    this.draw();
  }

  setDigest(on) {
    this.isDigest = on;
    if (on && this.types) {
      // A card is a message of its own.
      const types = this.types.filter((one) => !one.is_card);
      if (!types.some(({ type }) => type === this.events[this.current].type)) {
        this.events[this.current] = this.#sample(types[0].type);
      }

      if (this.events.length === 1) {
        const start = types.findIndex(({ type }) => type === this.events[0].type);
        for (let next = 1; next < Math.min(FIRST_EVENTS, types.length); next += 1) {
          this.events.push(this.#sample(types[(start + next) % types.length].type));
        }
      }
    }

    this.#showKind();
    if (this.types) {
      this.#edit(this.current);
      this.draw();
    }
  }

  open(index) {
    this.#edit(index);
    this.list.focus(index);
    this.draw();
  }

  /** Add a copy of the current event, to be edited. */
  add() {
    this.events.push({ ...this.events[this.current] });
    this.open(this.events.length - 1);
    this.host.announce(`Event ${this.events.length} is added.`);
  }

  remove(index) {
    this.events.splice(index, 1);
    this.open(Math.min(this.current > index ? this.current - 1 : this.current, this.events.length - 1));
    this.host.announce(`Event ${index + 1} is removed.`);
  }

  later() {
    this.events[this.current].fields = this.fields.read();
    this.list.rename(this.current, this.events[this.current]);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), PAUSE_MS);
  }

  async draw() {
    this.asked += 1;
    const asked = this.asked;
    let answer = null;
    let problem = null;
    try {
      answer = await (this.isDigest ? this.#askForDigest() : this.#askForOne());
    } catch (error) {
      problem = error;
    }

    // A later answer has overtaken this one.
    if (asked !== this.asked) {
      return;
    }

    if (answer) {
      this.show(answer);
    } else {
      this.showProblem(problem);
    }
  }

  async #askForOne() {
    const { faults, note, ...message } = await this.host.api("/preview", { method: "POST", body: this.events[this.current] });
    return { messages: [message], faults, note };
  }

  #askForDigest() {
    return this.host.api("/preview/digest", { method: "POST", body: { events: this.events, catch_up: this.catchUp.checked } });
  }

  show({ messages, faults: errors, note }) {
    const { element, fill, notice, setText, words } = this.host;
    this.fields.showErrors([]);
    this.list.showErrors(new Set());
    fill(this.messages, messages.map((message, index) => this.#message(message, index, messages.length)));
    setText(this.limits, messages.length > 1 ? "Discord’s limits, of the fullest message" : "Discord’s limits");
    fill(this.meters, fullest(messages).map((meter) => this.#meter(meter)));
    fill(
      this.problems,
      errors.length > 0 &&
        notice("warn", element("p", {}, "The templates have errors:"), element("ul", {}, errors.map((error) => element("li", {}, error)))),
      this.isDigest && this.events.length === 1 && notice("info", element("p", {}, "A single event is posted as its own embed. Add another one to see a digest.")),
      note && notice("info", element("p", {}, words.sentence(note))),
    );
    setText(this.body, messages.map(({ body }) => words.json(body)).join("\n\n"));
  }

  showProblem(problem) {
    const errors = (problem.errors ?? []).map(({ path, message }) => this.#locate(path, message));
    const invalid = new Set(errors.map(({ index }) => index));
    this.fields.showErrors(errors.filter(({ index }) => index === this.current));
    this.list.showErrors(this.isDigest ? invalid : new Set());
    for (const message of this.messages.children) {
      message.classList.add("stale");
    }

    const { element, fill, notice } = this.host;
    const which = this.isDigest ? `Event ${[...invalid].map((index) => index + 1).join(", ")}` : "The event";
    const rest = this.messages.children.length ? ", so what is shown below is the last valid preview." : ".";
    const text = errors.length ? `${which} is not valid${rest}` : problem.detail ?? String(problem);
    fill(this.problems, notice("warn", element("p", {}, text)));
  }

  /** Find out which event an error is about. */
  #locate(path, message) {
    const [, index, field] = /^events\.(\d+)\.?(.*)$/.exec(path) ?? [];
    return this.isDigest && index !== undefined ? { index: Number(index), path: field, message } : { index: this.current, path, message };
  }

  #sample(type) {
    const { fields } = this.#typeOf(type);
    return { type, fields };
  }

  #typeOf(type) {
    return this.types.find((one) => one.type === type) ?? this.types[0];
  }

  #edit(index) {
    this.current = index;
    const { type, fields } = this.events[index];
    const { description, schema } = this.#typeOf(type);
    this.select.value = type;
    this.host.setText(this.description, description);
    this.fields = this.host.fieldsForm(schema, fields, () => this.later());
    this.host.fill(this.form, this.fields.node);
    this.list.show(this.events, index, this.most);
  }

  #showKind() {
    this.one.setAttribute("aria-pressed", String(!this.isDigest));
    this.several.setAttribute("aria-pressed", String(this.isDigest));
    this.list.node.hidden = !this.isDigest;
    this.catchUpLabel.hidden = !this.isDigest;
  }

  #message(message, index, count) {
    const label = count > 1 ? `Message ${index + 1} of ${count} in Discord` : "The message in Discord";
    return this.host.element("div", { class: "discord", role: "group", "aria-label": label }, drawMessage(this.host, message));
  }

  #meter({ label, used, limit }) {
    const { element, words } = this.host;
    const part = used / limit;
    const fill = element("span", { class: part >= NEARLY_FULL ? "meter-fill meter-high" : "meter-fill" });
    fill.style.setProperty("--part", String(part));
    return element(
      "div",
      { class: "meter-line" },
      element("span", { class: "meter-label" }, label),
      element(
        "span",
        { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": limit, "aria-valuenow": used, "aria-valuetext": `${used} of ${limit}` },
        fill,
      ),
      element("span", { class: "meter-number" }, `${words.count(used)} / ${words.count(limit)}`),
    );
  }
}

/** Return the meters of messages, each of the message that has most of it. */
function fullest(messages) {
  const meters = new Map();
  for (const meter of messages.flatMap((message) => message.meters)) {
    if (!meters.has(meter.label) || meters.get(meter.label).used < meter.used) {
      meters.set(meter.label, meter);
    }
  }

  return [...meters.values()];
}
