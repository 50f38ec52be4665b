// What a message looks like: choose an event type, edit its values, see the embed.

import { fieldsForm } from "./fields.js";
import { drawMessage } from "./message.js";

const PAUSE_MS = 250;
const NEARLY_FULL = 0.8;

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
    const { element, newId } = host;
    const id = newId("type");
    this.select = element("select", { class: "input", id, onchange: () => this.choose() });
    this.description = element("p", { class: "muted" });
    this.form = element("form", { class: "preview-form", onsubmit: (event) => event.preventDefault() });
    this.message = element("div", { class: "discord", role: "group", "aria-label": "The message in Discord" });
    this.meters = element("div", { class: "meters" });
    this.problems = element("div", { class: "result", "aria-live": "polite" });
    this.body = element("pre", { class: "code", tabindex: "0" });
    root.append(
      element("p", { class: "lead" }, "See what an event looks like in Discord, with your templates, before it happens. Nothing is sent."),
      element(
        "div",
        { class: "preview" },
        element(
          "section",
          { class: "card", "aria-label": "The event" },
          element("div", { class: "field" }, element("label", { for: id }, "Event type"), this.select),
          this.description,
          this.form,
        ),
        element(
          "section",
          { class: "preview-result", "aria-label": "The message" },
          this.problems,
          this.message,
          element("div", { class: "card" }, element("h2", {}, "Discord’s limits"), this.meters),
          element("details", { class: "card" }, element("summary", {}, "The message as it is posted"), this.body),
        ),
      ),
    );
  }

  async load() {
    const { element, fill, words } = this.host;
    try {
      const { types } = await this.host.api("/preview");
      this.types = types;
    } catch (problem) {
      fill(this.problems, this.host.notice("error", problem.detail ?? String(problem)));
      return;
    }

    fill(this.select, this.types.map(({ type }) => element("option", { value: type }, words.words(type))));
    this.choose();
  }

  choose() {
    const chosen = this.types.find(({ type }) => type === this.select.value) ?? this.types[0];
    this.host.setText(this.description, chosen.description);
    this.fields = fieldsForm(this.host, chosen.schema, chosen.fields, () => this.later());
    this.host.fill(this.form, this.fields.node);
    this.draw();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), PAUSE_MS);
  }

  async draw() {
    this.asked += 1;
    const asked = this.asked;
    const body = { type: this.select.value, fields: this.fields.read() };
    let answer = null;
    let problem = null;
    try {
      answer = await this.host.api("/preview", { method: "POST", body });
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

  show({ body, embeds, meters, faults: errors, note }) {
    const { element, fill, notice, words } = this.host;
    this.fields.showErrors([]);
    this.message.classList.remove("stale");
    fill(this.message, drawMessage(this.host, body, embeds));
    fill(this.meters, meters.map((meter) => this.#meter(meter)));
    fill(
      this.problems,
      errors.length > 0 &&
        notice("warn", element("p", {}, "The templates have errors:"), element("ul", {}, errors.map((error) => element("li", {}, error)))),
      note && notice("info", element("p", {}, words.sentence(note))),
    );
    this.host.setText(this.body, this.host.words.json(body));
  }

  showProblem(problem) {
    const errors = problem.errors ?? [];
    this.fields.showErrors(errors);
    this.message.classList.add("stale");
    const { element, fill, notice } = this.host;
    fill(
      this.problems,
      notice(
        "warn",
        element("p", {}, errors.length ? "The event is not valid, so the message below is the last valid one." : problem.detail ?? String(problem)),
      ),
    );
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
