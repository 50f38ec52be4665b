// A step of the setup in which one value is set.

import { Part } from "./part.js";
import { LiveBadge } from "./states.js";
import { urlForm } from "./url-form.js";
import { describePlace } from "./webhooks.js";

const PARTS = ["text", "problem", "place", "buttons", "steps", "form", "result"];

/** One value that is set here or in the configuration, with how to get it. */
export class FieldCard {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.instructions = null;
    this.form = null;
    this.replacing = false;
    this.value = null;
    const { element, newId } = host;
    const id = newId(options.key);
    this.badge = new LiveBadge(host);
    this.heading = element("h2", { id, tabindex: "-1" }, options.title);
    this.optional = element("span", { class: "optional", hidden: !options.optional }, "optional");
    this.parts = Object.fromEntries(PARTS.map((name) => [name, new Part(host)]));
    this.body = element("div", { class: "step-body" }, PARTS.map((name) => this.parts[name].node));
    this.node = element(
      "li",
      { class: "step card", "aria-labelledby": id, "data-step": options.key },
      element("div", { class: "step-number", "aria-hidden": "true" }, options.number),
      element(
        "div",
        { class: "step-content" },
        element("div", { class: "step-head" }, this.heading, this.optional, this.badge.node),
        this.body,
      ),
    );
  }

  setInstructions(instructions) {
    this.instructions = instructions;
    if (this.value) {
      this.#showBody();
    }
  }

  /** Change whether it is optional, and what it is about then. */
  setOptional(optional, { title, about }) {
    Object.assign(this.options, { optional, title, about });
    this.optional.hidden = !optional;
    this.host.setText(this.heading, title);
  }

  show(value, state, reason) {
    this.value = value;
    this.reason = state === "dead" ? reason : "";
    if (!value.configured) {
      this.badge.set("Not set", "neutral");
    } else if (state === "dead") {
      this.badge.set("Not working", "bad");
    } else {
      this.badge.set(this.options.done, "good");
    }

    this.node.classList.toggle("step-done", value.configured && state !== "dead");
    this.node.classList.toggle("step-current", !this.options.optional && (!value.configured || state === "dead"));
    this.#showBody();
  }

  focus() {
    this.heading.focus();
  }

  /** Show each part again only if it would change: what is typed or focused in another one stays. */
  #showBody() {
    const { value, parts } = this;
    const isAdmin = this.host.may("admin");
    const isYaml = value.source === "yaml";
    // A form that holds a URL stays whatever happens meanwhile, until it is saved or left.
    const isEdited = isAdmin && (Boolean(this.form?.isInUse()) || (!isYaml && (!value.configured || this.replacing)));
    parts.text.show([value, this.options.about], () => this.#text());
    parts.problem.show(value.configured && this.reason ? this.reason : null, () => this.#problem());
    parts.place.show(value.configured && isYaml ? value.place ?? "" : null, () => this.#place());
    parts.buttons.show(value.configured && !isYaml && !isEdited && isAdmin ? true : null, () => this.#buttons());
    parts.steps.show(isEdited ? this.instructions : null, () => this.#steps());
    parts.form.show(isEdited ? true : null, () => this.#form());
    if (isEdited) {
      this.form.adapt({ canBeLeft: value.configured, isMain: !this.options.optional });
    } else {
      this.form = null;
    }
  }

  #text() {
    const { about, describe } = this.options;
    return this.host.element("p", {}, this.value.configured ? describe(this.value) : about);
  }

  #problem() {
    const { element, may, notice, words } = this.host;
    return notice("error", element("p", {}, words.sentence(this.reason)), may("admin") && element("p", {}, "Replace the URL: waiting events are sent then."));
  }

  #place() {
    const { element } = this.host;
    const { place } = this.value;
    return element(
      "p",
      { class: "read-only" },
      "It is set in ",
      describePlace(this.host, place),
      place ? ". Change it there; the configuration has precedence over this page." : ", which has precedence over this page.",
    );
  }

  #buttons() {
    const { element } = this.host;
    const what = this.options.label;
    return element(
      "div",
      { class: "actions" },
      element("button", { class: "button", type: "button", "aria-label": `Replace the ${what}`, onclick: () => this.#replace() }, "Replace"),
      element("button", { class: "button button-quiet-danger", type: "button", "aria-label": `Remove the ${what}`, onclick: () => this.#remove() }, "Remove"),
    );
  }

  #steps() {
    const { element } = this.host;
    const list = element("ol", { class: "instructions" }, this.instructions.steps.map((step) => element("li", {}, step)));
    // They are open for a first setup, but not for the optional value or a replacement.
    const open = !this.options.optional && !this.replacing;
    return element("details", { class: "how", open }, element("summary", {}, this.instructions.heading.replace(/:$/, "")), list);
  }

  #form() {
    const { label, example, check, save, secret } = this.options;
    this.form = urlForm(this.host, {
      label,
      example,
      check,
      secret,
      save,
      saved: () => this.#leave(),
      cancel: () => {
        this.#leave();
        this.focus();
      },
    });
    return this.form.node;
  }

  #replace() {
    this.replacing = true;
    this.#showBody();
    this.form.focus();
  }

  #leave() {
    this.replacing = false;
    this.#showBody();
  }

  async #remove() {
    const { label, remove } = this.options;
    const lost = this.options.secret ? "It is not shown again, so copy it from Discord if you need it later." : "";
    if (!(await this.host.confirm(`Remove the ${label}?`, `LANrage forgets it. ${lost}`.trim(), "Remove"))) {
      return;
    }

    const { result } = this.parts;
    result.show(null);
    try {
      await remove();
    } catch (problem) {
      const text = problem.detail ?? String(problem);
      result.show(text, () => this.host.notice("error", text));
    }
  }
}
