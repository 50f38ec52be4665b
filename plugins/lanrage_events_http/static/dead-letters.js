// Dead letters: what was rejected for good, why, and buttons to retry or drop it.

import { may } from "./access.js";
import { Problem, request } from "./api.js";
import { confirmation } from "./dialog.js";
import { button, element, fill, newId, notice } from "./dom.js";
import { ago, counted, dayAndClock, json, sentence, words } from "./format.js";
import { Rows } from "./rows.js";

const PAGE = 20;
const AT_ONCE = 500;

/**
 * The dead letters of one plugin's outbox.
 *
 * @param {(entry: object) => string | null} describe returns a name for an entry, if the plugin knows one
 */
export class DeadLetters {
  constructor(plugin, announce, describe) {
    this.plugin = plugin;
    this.announce = announce;
    this.describe = describe;
    this.path = `/api/outbox/${encodeURIComponent(plugin)}`;
    this.dead = -1;
    this.busy = false;
    this.headingId = newId("dead-letters");
    this.result = element("div", { class: "result" });
    this.list = element("ul", { class: "dead-letters" });
    // An entry that is rejected again has another reason.
    this.rows = new Rows(this.list, (entry) => JSON.stringify(entry), (entry) => ({ node: this.#item(entry), update() {} }));
    this.entries = [];
    this.none = element("p", { class: "muted", hidden: true }, "None: everything was delivered or still waits.");
    this.heading = element("h3", { id: this.headingId, tabindex: "-1" }, "Dead letters");
    this.retryAll = button("Retry all", () => this.#retry(null));
    this.dropAll = button("Drop all…", () => this.#drop(null), { kind: "button-quiet-danger" });
    this.more = button("Show more", () => this.#load(false), { kind: "button-quiet" });
    this.node = element(
      "div",
      { class: "dead-letters-part", role: "region", "aria-labelledby": this.headingId },
      element("div", { class: "dead-letters-head" }, this.heading, element("div", { class: "actions" }, this.retryAll, this.dropAll)),
      this.result,
      this.list,
      this.none,
      this.more,
    );
    this.after = null;
    this.#showButtons();
  }

  /** Load the dead letters again if their number has changed. */
  update(dead) {
    if (dead !== this.dead && !this.busy) {
      this.dead = dead;
      this.#load(true);
    }
  }

  #showButtons() {
    const some = this.dead > 0 && may("admin");
    this.retryAll.hidden = !some;
    this.dropAll.hidden = !some;
    this.more.hidden = this.after === null;
  }

  async #load(again) {
    const limit = again ? Math.min(this.#wanted(), AT_ONCE) : PAGE;
    const query = new URLSearchParams({ kind: "dead", limit: String(limit) });
    if (!again && this.after !== null) {
      query.set("after", this.after);
    }

    try {
      const { entries, next } = await request(`${this.path}/entries?${query}`);
      this.after = next ?? null;
      this.entries = again ? entries : [...this.entries, ...entries];
      this.rows.show(this.entries);
      this.none.hidden = this.entries.length > 0;
    } catch (error) {
      this.#report(error);
    }

    this.#showButtons();
  }

  /** Return how many to load so that none that is shown goes away. */
  #wanted() {
    const isAll = this.after === null;
    return Math.max(PAGE, this.entries.length) + (isAll && this.entries.length > 0 ? PAGE : 0);
  }

  #item(entry) {
    const name = this.#name(entry);
    return element(
      "li",
      { class: "dead-letter", "data-entry": entry.id },
      element(
        "div",
        { class: "dead-letter-text" },
        element("p", { class: "dead-letter-title" }, element("bdi", {}, name)),
        element("p", { class: "dead-letter-reason" }, sentence(entry.reason || "rejected")),
        entry.detail && entry.detail !== entry.reason ? element("p", {}, entry.detail) : null,
        element(
          "p",
          { class: "muted" },
          entry.label ? `${words(entry.label)}, ` : "",
          "for ",
          element("bdi", {}, entry.lane),
          ", ",
          element("time", { datetime: entry.put, title: dayAndClock(entry.put) }, ago(entry.put)),
          entry.attempts ? `, deferred ${counted(entry.attempts, "time")}` : "",
        ),
        entry.body
          ? element(
              "details",
              {},
              element("summary", {}, "What was to be sent"),
              element("pre", { class: "code", tabindex: "0" }, written(entry.body)),
            )
          : null,
      ),
      may("admin") && element(
        "div",
        { class: "actions" },
        button("Retry", () => this.#retry(entry), { "aria-label": `Retry ${name}` }),
        button("Drop…", () => this.#drop(entry), { kind: "button-quiet-danger", "aria-label": `Drop ${name}` }),
      ),
    );
  }

  #name(entry) {
    return this.describe(entry) || words(entry.label) || `Entry ${entry.id}`;
  }

  #retry(entry) {
    return this.#act("retry", entry, (done) => `${counted(done, "dead letter waits", "dead letters wait")} for delivery again.`);
  }

  async #drop(entry) {
    const what = entry === null ? `all ${counted(this.dead, "dead letter")}` : `“${this.#name(entry)}”`;
    const question = entry === null ? "Drop all dead letters?" : "Drop this dead letter?";
    if (await confirmation(question, `This deletes ${what}. It cannot be undone.`, "Drop")) {
      await this.#act("drop", entry, (done) => `${counted(done, "dead letter was", "dead letters were")} dropped.`);
    }
  }

  async #act(verb, entry, describe) {
    this.busy = true;
    try {
      const done = entry === null ? await this.#actOnAll(verb) : await this.#post(verb, [entry.id]);
      fill(this.result, notice("good", describe(done)));
      this.announce(describe(done));
    } catch (error) {
      this.#report(error);
    } finally {
      this.busy = false;
    }

    await this.#refresh();
    this.heading.focus();
  }

  /** Act on each dead letter by its id, since a lane has pending entries, too. */
  async #actOnAll(verb) {
    let done = 0;
    let after = 0;
    while (after !== null) {
      const query = new URLSearchParams({ kind: "dead", limit: String(AT_ONCE), after: String(after) });
      const { entries, next } = await request(`${this.path}/entries?${query}`);
      if (entries.length > 0) {
        done += await this.#post(verb, entries.map(({ id }) => id));
      }

      after = next;
    }

    return done;
  }

  async #post(verb, ids) {
    return (await request(`${this.path}/${verb}`, { method: "POST", body: { ids } })).count;
  }

  async #refresh() {
    try {
      const { outboxes } = await request("/api/outbox");
      this.dead = outboxes.find(({ plugin }) => plugin === this.plugin)?.dead ?? 0;
    } catch {
      this.dead = -1;
    }

    await this.#load(true);
  }

  #report(error) {
    if (!(error instanceof Problem)) {
      throw error;
    }

    fill(this.result, notice("error", error.detail));
  }
}

/** Format JSON, and return everything else as it is. */
function written(body) {
  try {
    return json(JSON.parse(body));
  } catch {
    return body;
  }
}
