// Muting Discord for a while, and how long it is quiet.

import { Part } from "./part.js";
import { lanesInUse, meanwhile } from "./states.js";

const LENGTHS = { "30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "8h": "8 hours", "1d": "1 day" };

/** What is muted, with buttons that end it and one that begins it. */
export class MuteCard {
  constructor(host, refresh) {
    this.host = host;
    this.refresh = refresh;
    this.lanes = "";
    const { element, newId } = host;
    const [id, length, webhook, why] = ["mute", "length", "webhook", "why"].map(newId);
    this.mutes = new Part(host, "ul", { class: "mutes" });
    this.hours = new Part(host, "ul", { class: "mutes" });
    this.length = element("select", { class: "input", id: length }, Object.entries(LENGTHS).map(([value, text]) => element("option", { value, selected: value === "2h" }, text)));
    this.webhook = element("select", { class: "input", id: webhook });
    this.choice = element("div", { class: "field", hidden: true }, element("label", { for: webhook }, "Which webhook"), this.webhook);
    this.why = element("input", { class: "input", id: why, maxlength: 200, autocomplete: "off" });
    this.button = element("button", { class: "button", type: "submit" }, "Mute");
    this.form = element(
      "form",
      { class: "stack", onsubmit: (event) => this.#submit(event) },
      element("div", { class: "field" }, element("label", { for: length }, "For how long"), this.length),
      this.choice,
      element("div", { class: "field" }, element("label", { for: why }, "Reason (optional)"), this.why),
      element("p", { class: "muted" }, "Nothing is posted meanwhile. What happens is kept, and posted at the end as one digest."),
      element("div", { class: "actions" }, this.button),
    );
    this.details = element("details", { class: "how" }, element("summary", {}, "Mute Discord for a while"), this.form);
    this.result = element("div", { class: "result" });
    this.node = element("section", { class: "card mute", "aria-labelledby": id, hidden: true }, element("h2", { id }, "Quiet"), this.mutes.node, this.hours.node, this.details, this.result);
  }

  show(status) {
    const { element, fill, may } = this.host;
    const lanes = lanesInUse(status);
    const names = lanes.map(({ name }) => name);
    const hours = lanes.filter(({ quiet }) => quiet !== null && !quiet.muted);
    this.node.hidden = names.length === 0 && status.mutes.length === 0;
    this.details.hidden = !may("admin");
    this.choice.hidden = names.length < 2;
    if (names.join("\n") !== this.lanes) {
      this.lanes = names.join("\n");
      const chosen = this.webhook.value;
      fill(this.webhook, element("option", { value: "" }, "All webhooks"), names.map((name) => element("option", { value: name, selected: name === chosen }, name)));
    }

    const key = status.mutes.map(({ seconds_left: left, ...mute }) => mute);
    this.mutes.show(key.length ? [key, may("admin")] : null, () => status.mutes.map((mute) => this.#mute(mute)));
    this.hours.show(hours.length ? hours.map(({ name, quiet }) => [name, quiet.until, quiet.then]) : null, () => hours.map((lane) => this.#hours(lane)));
  }

  #mute({ webhook, until, by, why, then, seconds_left: left }) {
    const { element, may } = this.host;
    const who = webhook === null ? "All webhooks are" : [element("bdi", {}, webhook), " is"];
    const name = webhook === null ? "all webhooks" : webhook;
    return element(
      "li",
      {},
      element(
        "p",
        {},
        element("strong", {}, who, " muted", this.#until(until)),
        by && [" by ", element("bdi", {}, by)],
        why && [": ", element("bdi", {}, why)],
        ". ",
        this.#timeLeft(left),
        meanwhile({ then }),
      ),
      may("admin") &&
        element(
          "div",
          { class: "actions" },
          element("button", { class: "button", type: "button", "aria-label": `Unmute ${name}`, onclick: () => this.#unmute(webhook) }, "Unmute"),
        ),
    );
  }

  #hours({ name, quiet }) {
    const { element } = this.host;
    const left = quiet.until !== null && this.#timeLeft(quiet.seconds_left);
    return element("li", {}, element("p", {}, "Webhook ", element("bdi", {}, name), ": quiet hours", this.#until(quiet.until), ". ", left, meanwhile(quiet)));
  }

  #until(time) {
    const { element, words } = this.host;
    return time !== null && [" until ", element("time", { datetime: time }, words.dayAndClock(time))];
  }

  #timeLeft(seconds) {
    const { countdown, words } = this.host;
    return [countdown(seconds, (left) => `${words.timeLeft(left)} left.`), " "];
  }

  async #submit(event) {
    event.preventDefault();
    const webhook = this.choice.hidden || !this.webhook.value ? null : this.webhook.value;
    const body = { duration: this.length.value, webhook, why: this.why.value, by: "the web page" };
    if (await this.#change("/mute", { method: "POST", body }, `${webhook ?? "Discord"} is muted.`)) {
      this.why.value = "";
      this.details.open = false;
      this.details.firstElementChild.focus();
    }
  }

  async #unmute(webhook) {
    // Without a name, every mute ends.
    const query = webhook === null ? "" : `?webhook=${encodeURIComponent(webhook)}`;
    if (await this.#change(`/mute${query}`, { method: "DELETE" }, `${webhook ?? "Discord"} is not muted any more.`)) {
      this.details.firstElementChild.focus();
    }
  }

  async #change(path, request, done) {
    const { announce, api, fill, notice } = this.host;
    if (this.changing) {
      return false;
    }

    this.changing = true;
    this.button.setAttribute("aria-disabled", "true");
    fill(this.result);
    try {
      await api(path, request);
    } catch (problem) {
      fill(this.result, notice("error", problem.detail ?? String(problem)));
      return false;
    } finally {
      this.changing = false;
      this.button.removeAttribute("aria-disabled");
    }

    await this.refresh().catch(() => {});
    // After the news of the heading, which is the same.
    announce(done);
    return true;
  }
}
