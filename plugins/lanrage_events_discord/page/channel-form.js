// The form that adds or changes a channel.

import { checkWebhookUrl } from "./urls.js";
import { describePlace } from "./webhooks.js";

const NAME_MAX_CHARACTERS = 50;
const STYLES = [
  ["digest", "In one list", "a digest, which is short however much happens"],
  ["embeds", "Each in an embed of its own", "with all details, up to 10 in a message"],
];

/** A form for one webhook; what is typed in it stays until it is saved or left. */
export class ChannelForm {
  /**
   * @param {object} host what the page offers
   * @param {object} options
   * @param {object | null} options.webhook the one to change, null to add one
   * @param {string} options.name the name to begin with, of one that is added
   * @param {Promise<{type: string, description: string}[]>} options.types the event types to choose from
   * @param {string | null} options.routes where the routes stand that decide instead, null without any
   * @param {{heading: string, steps: string[]} | null} options.instructions how to get a URL
   * @param {(settings: object, offline: boolean) => Promise<void>} options.save rejects with a Problem
   * @param {(name: string) => void} options.saved called when it is saved
   * @param {() => void} options.cancel called when the user leaves it
   */
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.isSaving = false;
    const { element } = host;
    const { instructions, webhook } = options;
    this.name = this.#field("Name", { value: webhook?.name ?? options.name, maxlength: NAME_MAX_CHARACTERS, placeholder: "games" });
    this.url = this.#field(webhook ? "Another URL of the webhook" : "URL of the webhook", {
      class: "input secret",
      inputmode: "url",
      placeholder: webhook ? "empty: the URL stays as it is" : "https://discord.com/api/webhooks/…",
      oninput: () => this.#say(this.url, checkWebhookUrl(this.url.input.value)),
    });
    this.reveal = element("button", { class: "button button-quiet reveal", type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, "Show");
    this.url.input.after(this.reveal);
    this.events = options.routes === null ? new EventChoice(host, webhook?.events ?? null, options.types) : null;
    this.styles = new Choice(host, "Several events at a time", STYLES, webhook?.style ?? "digest");
    this.result = element("div", { class: "result" });
    this.submit = element("button", { class: "button button-primary", type: "submit" }, "Save");
    this.leave = element("button", { class: "button button-quiet", type: "button", onclick: () => this.options.cancel() }, "Cancel");
    this.node = element(
      "form",
      { class: "channel-form", novalidate: true, "aria-label": webhook ? `Edit ${webhook.name}` : "Add a channel", onsubmit: (event) => this.#submit(event) },
      this.name.node,
      this.url.node,
      instructions &&
        element(
          "details",
          { class: "how" },
          element("summary", {}, instructions.heading.replace(/:$/, "")),
          element("ol", { class: "instructions" }, instructions.steps.map((step) => element("li", {}, step))),
        ),
      this.events?.node ?? element("p", { class: "muted" }, "Which events it posts is decided by the routes in ", describePlace(host, options.routes), "."),
      this.styles.node,
      this.result,
      element("div", { class: "actions" }, this.submit, this.leave),
    );
  }

  focus() {
    (this.name.input.value && !this.options.webhook ? this.url : this.name).input.focus();
  }

  #field(label, props) {
    const { element, newId } = this.host;
    const [inputId, messageId] = [newId("channel"), newId("channel")];
    const input = element("input", {
      class: "input",
      id: inputId,
      type: "text",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      "aria-describedby": messageId,
      oninput: () => this.#say({ input, message }, { tone: "empty", text: "" }),
      ...props,
    });
    const message = element("p", { id: messageId, class: "field-message", "aria-live": "polite" });
    const node = element("div", { class: "field" }, element("label", { for: inputId }, label), element("div", { class: "field-line" }, input), message);
    return { node, input, message };
  }

  #say({ input, message }, { tone, text }) {
    message.className = `field-message field-${tone}`;
    this.host.setText(message, text);
    if (tone === "error") {
      input.setAttribute("aria-invalid", "true");
    } else {
      input.removeAttribute("aria-invalid");
    }
  }

  #toggle() {
    const shown = this.url.input.classList.toggle("secret-shown");
    this.reveal.setAttribute("aria-pressed", String(shown));
    this.host.setText(this.reveal, shown ? "Hide" : "Show");
  }

  #submit(event) {
    event.preventDefault();
    this.host.fill(this.result);
    const settings = this.#read();
    if (settings) {
      this.#send(settings, false);
    }
  }

  /** Return what is chosen, null if something is missing, which is shown then. */
  #read() {
    const [name, url] = [this.name.input.value.trim(), this.url.input.value.trim()];
    const finding = checkWebhookUrl(url);
    const isMissing = !url && !this.options.webhook;
    const nameProblem = name ? "" : "Give it a name, such as games.";
    this.#say(this.name, { tone: nameProblem ? "error" : "empty", text: nameProblem });
    this.#say(this.url, isMissing ? { tone: "error", text: "Paste the URL here first." } : finding);
    const events = this.events?.read();
    if (nameProblem || isMissing || finding.tone === "error" || events?.length === 0) {
      const first = nameProblem ? this.name : isMissing || finding.tone === "error" ? this.url : null;
      (first?.input ?? this.events).focus();
      return null;
    }

    return { name, style: this.styles.read(), ...(url && { webhook_url: url }), ...(events && { events }) };
  }

  async #send(settings, offline) {
    if (this.isSaving) {
      return;
    }

    if (this.result.contains(document.activeElement)) {
      this.submit.focus();
    }

    this.host.fill(this.result);
    this.#setSaving(true);
    try {
      await this.options.save(settings, offline);
    } catch (problem) {
      this.#setSaving(false);
      this.#showProblem(problem, settings);
      return;
    }

    this.options.saved(settings.name);
  }

  /** What is typed while it is saved would be lost. */
  #setSaving(now) {
    this.isSaving = now;
    this.name.input.readOnly = now;
    this.url.input.readOnly = now;
    for (const part of [this.events?.node, this.styles.node, this.submit, this.leave].filter(Boolean)) {
      part.disabled = now;
    }

    this.host.setText(this.submit, now ? "Saving…" : "Save");
  }

  #showProblem(problem, settings) {
    const { element, fill, notice } = this.host;
    const [{ path, message } = {}] = problem.errors ?? [];
    const field = { name: this.name, webhook_url: this.url }[path];
    if (problem.status === 422 && field) {
      this.#say(field, { tone: "error", text: message });
      field.input.focus();
      return;
    }

    if (problem.status === 422 && path === "events" && this.events) {
      this.events.say(message);
      this.events.focus();
      return;
    }

    const again = problem.status === 503 && settings.webhook_url;
    fill(
      this.result,
      notice(
        "error",
        element("p", {}, problem.detail ?? String(problem)),
        again && element("button", { class: "button", type: "button", onclick: () => this.#send(settings, true) }, "Save without asking Discord"),
      ),
    );
    this.submit.focus();
  }
}

/** Which of a few ways is chosen. */
class Choice {
  constructor(host, legend, ways, chosen, changed = () => {}) {
    const { element, newId } = host;
    const name = newId("choice");
    this.inputs = ways.map(([value]) => element("input", { type: "radio", name, value, checked: value === chosen, onchange: changed }));
    this.node = element(
      "fieldset",
      { class: "choice" },
      element("legend", {}, legend),
      ways.map(([, text, about], index) => element("label", {}, this.inputs[index], element("span", {}, text, about && element("span", { class: "sub" }, about)))),
    );
  }

  read() {
    return this.inputs.find(({ checked }) => checked).value;
  }
}

/** All events, or those of some types. */
class EventChoice {
  constructor(host, events, types) {
    this.host = host;
    this.chosen = new Set(events ?? []);
    this.boxes = [];
    const { element, newId } = host;
    const [textId, hintId] = [newId("types"), newId("types")];
    this.message = element("p", { class: "field-message field-error", role: "alert" });
    this.list = element("div", { class: "types" });
    this.text = element("input", {
      class: "input",
      id: textId,
      type: "text",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      placeholder: "peer_*, party_event",
      value: [...this.chosen].join(", "),
      "aria-describedby": hintId,
    });
    this.some = element(
      "div",
      { class: "some-events", hidden: events === null },
      this.list,
      element(
        "div",
        { class: "field" },
        element("label", { for: textId }, "Patterns and base types"),
        this.text,
        element("p", { class: "field-hint", id: hintId }, "Separated by commas; * stands for any text."),
      ),
    );
    const ways = [
      ["all", "All events"],
      ["some", "Only these"],
    ];
    this.way = new Choice(host, "Events that it posts", ways, events === null ? "all" : "some", () => this.#adapt());
    this.way.node.append(this.some, this.message);
    this.node = this.way.node;
    types.then(
      (known) => this.#showTypes(known),
      () => host.fill(this.list, element("p", { class: "muted" }, "The event types are not known at the moment. Write their names below.")),
    );
  }

  focus() {
    (this.boxes[0] ?? this.text).focus();
  }

  say(text) {
    this.host.setText(this.message, text);
  }

  /** Return the chosen types, "event" for all; none if they are missing, which is shown then. */
  read() {
    this.say("");
    if (this.way.read() === "all") {
      return ["event"];
    }

    const written = this.text.value.split(/[\s,]+/).filter(Boolean);
    const checked = this.boxes.filter((box) => box.checked).map((box) => box.value);
    const events = [...new Set([...checked, ...written])];
    if (events.length === 0) {
      this.say("Choose at least one event type.");
    }

    return events;
  }

  #adapt() {
    this.some.hidden = this.way.read() === "all";
    this.say("");
  }

  #showTypes(known) {
    const { element, fill, words } = this.host;
    this.boxes = known.map(({ type }) => element("input", { type: "checkbox", value: type, checked: this.chosen.has(type) }));
    fill(
      this.list,
      known.map(({ type, description }, index) =>
        element("label", {}, this.boxes[index], element("span", {}, words.words(type), element("span", { class: "sub" }, description))),
      ),
    );
    // What has a box needs no text, unless the user has changed that already.
    const text = [...this.chosen].join(", ");
    if (this.text.value === text) {
      this.text.value = [...this.chosen].filter((name) => !known.some(({ type }) => type === name)).join(", ");
    }
  }
}
