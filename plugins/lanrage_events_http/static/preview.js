// What plugins would send for an event, before it happens. Nothing is sent.

import { request } from "./api.js";
import { element, fill, newId, notice, sectionHead, setText } from "./dom.js";
import { fieldsForm } from "./fields.js";
import { json as formatted, words } from "./format.js";

const PAUSE_MS = 250;

/** Show the section; plugins' scripts may draw their own previews. */
export function mountPreview(root, options) {
  const previews = new Previews(root, options);
  previews.load();
  return () => previews.leave();
}

class Previews {
  constructor(root, { pages, makeHost }) {
    this.pages = pages;
    this.makeHost = makeHost;
    this.asked = 0;
    this.timer = null;
    this.stops = [];
    const id = newId("type");
    this.select = element("select", { class: "input", id, onchange: () => this.choose() });
    this.description = element("p", { class: "muted" });
    this.form = element("form", { class: "preview-form", onsubmit: (event) => event.preventDefault() });
    this.problem = element("div", { class: "result", "aria-live": "polite" });
    this.results = element("div", { class: "preview-result" });
    root.append(
      sectionHead("Preview", "See what plugins would send for an event, before it happens. Nothing is sent."),
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
        element("div", { class: "preview-result" }, this.problem, this.results),
      ),
    );
  }

  async load() {
    try {
      ({ types: this.types } = await request("/api/events/types"));
    } catch (problem) {
      this.#fail(problem);
      return;
    }

    fill(this.select, this.types.map(({ type }) => element("option", { value: type }, words(type))));
    this.choose();
  }

  /** Begin with a sample of the chosen type. */
  choose() {
    const { schema, sample, description } = this.types.find(({ type }) => type === this.select.value);
    setText(this.description, description);
    this.fields = fieldsForm(schema, sample, () => this.later());
    fill(this.form, this.fields.node);
    this.draw();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), PAUSE_MS);
  }

  async draw() {
    this.asked += 1;
    const asked = this.asked;
    const event = { type: this.select.value, fields: this.fields.read() };
    const stops = [];
    try {
      const { previews, plugins } = await request("/api/events/preview", { method: "POST", body: event });
      const cards = await Promise.all(previews.map((preview) => this.#card(preview, event, stops)));
      // A later answer has overtaken this one.
      if (asked === this.asked) {
        this.#stop();
        this.stops = stops;
        this.fields.showErrors([]);
        fill(this.problem, cards.length ? null : notice("info", nothing(plugins)));
        fill(this.results, cards);
        return;
      }
    } catch (problem) {
      if (asked === this.asked) {
        this.fields.showErrors(problem.errors ?? []);
        this.#fail(problem);
      }
    }

    stops.forEach((stop) => stop());
  }

  leave() {
    clearTimeout(this.timer);
    this.asked += 1;
    this.#stop();
  }

  /** Stop what the scripts of plugins have started. */
  #stop() {
    this.stops.splice(0).forEach((stop) => stop());
  }

  async #card(preview, event, stops) {
    const { plugin, title, text, json, problems } = preview;
    const drawn = await this.#drawn(preview, event, stops);
    const name = title ? `${plugin}: ${title}` : plugin;
    return element(
      "section",
      { class: "card preview-card", "aria-label": name },
      element("h2", {}, name),
      problems.map(({ message, warning }) => notice("warn", warning ? `Only a warning: ${message}` : message)),
      drawn ?? (text ? element("p", { class: "preview-text" }, text) : null),
      json === null
        ? null
        : element(
            "details",
            { open: !drawn && !text },
            element("summary", {}, "As it is sent"),
            element("pre", { class: "code", tabindex: "0" }, formatted(json)),
          ),
    );
  }

  /** Let the script of the plugin draw its preview; null if it does not. */
  async #drawn(preview, event, stops) {
    const page = this.pages.find(({ name, module }) => name === preview.plugin && module?.preview);
    if (!page) {
      return null;
    }

    try {
      return await page.module.preview(this.makeHost(page, "", stops), { ...preview, event });
    } catch (error) {
      console.error(error);
      return null;
    }
  }

  #fail(problem) {
    fill(this.problem, notice("warn", problem.detail ?? String(problem)));
  }
}

function nothing(plugins) {
  return plugins.length
    ? `Nothing would be sent for this event, by ${plugins.join(", ")}.`
    : "No plugin shows what it would send.";
}
