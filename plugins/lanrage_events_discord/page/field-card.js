// A step of the setup in which one value is set.

import { LiveBadge } from "./states.js";
import { urlForm } from "./url-form.js";

/** One value that is set here or in the configuration, with how to get it. */
export class FieldCard {
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
        element("div", { class: "step-head" }, this.heading, this.optional, this.badge.node),
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
      this.badge.set(this.options.done, "good");
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
    // Typed text must stay: the body is only made again if it would change.
    if (now === this.shown) {
      return;
    }

    this.shown = now;
    const { element, fill } = this.host;
    const { value } = this;
    if (value.configured && value.source === "yaml") {
      fill(this.body, this.#describe(), this.#problem(), this.#place());
    } else if (value.configured && !this.replacing) {
      fill(this.body, this.#describe(), this.#problem(), this.host.may("admin") && this.#buttons());
    } else if (!this.host.may("admin")) {
      fill(this.body, element("p", {}, this.options.about));
    } else {
      fill(
        this.body,
        element("p", {}, this.options.about),
        value.configured && this.#problem(),
        this.#steps(),
        this.#form(),
      );
    }
  }

  #describe() {
    return this.host.element("p", {}, this.options.describe(this.value));
  }

  #problem() {
    const { element, notice } = this.host;
    return this.reason
      ? notice("error", element("p", {}, this.host.words.sentence(this.reason)), this.host.may("admin") && element("p", {}, "Replace the URL: waiting events are sent then."))
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
    // They are open for a first setup, but not for the optional value or a replacement.
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

function splitPlace(place) {
  const match = /^(.*?):(\d+)(?::\d+)?$/.exec(place ?? "");
  return match ? [match[1], match[2]] : [place, null];
}
