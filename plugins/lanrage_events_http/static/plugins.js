// The plugins: their health and statistics.

import { every, request } from "./api.js";
import { badge, element, sectionHead } from "./dom.js";
import { count } from "./format.js";
import { Rows } from "./rows.js";

const EVERY_MS = 1000;
const COLUMNS = ["Plugin", "Health", "Handled", "Failed", "Dropped", "Mailbox", "Restarts"];
const HEALTH = {
  ok: ["Well", "good"],
  degraded: ["Degraded", "warn"],
  failed: ["Failed", "bad"],
};

/** Show the table of plugins. */
export function mountPlugins(root) {
  const body = element("tbody", { role: "rowgroup" });
  const table = element(
    "table",
    { class: "table", role: "table" },
    element("caption", { class: "visually-hidden" }, "Plugins, their health and what they have done"),
    element(
      "thead",
      { role: "rowgroup" },
      element("tr", { role: "row" }, COLUMNS.map((name) => element("th", { scope: "col", role: "columnheader" }, name))),
    ),
    body,
  );
  root.append(
    sectionHead("Plugins", "Each has its own mailbox, so that a problem in one does not hold up the others."),
    element("section", { class: "card card-flush", "aria-label": "Table of plugins" }, table),
  );
  const rows = new Rows(body, (plugin) => JSON.stringify(plugin), (plugin) => ({ node: row(plugin), update() {} }));
  return every(EVERY_MS, async () => rows.show((await request("/api/plugins")).plugins));
}

function row(plugin) {
  const [text, tone] = HEALTH[plugin.status] ?? [plugin.status, "neutral"];
  const cell = (label, value, bad = false) =>
    element("td", { role: "cell", "data-label": label, class: bad ? "number bad" : "number" }, value);
  return element(
    "tr",
    { role: "row", "data-plugin": plugin.name },
    element("th", { scope: "row", role: "rowheader" }, plugin.name, element("span", { class: "sub" }, plugin.state)),
    element(
      "td",
      { role: "cell", "data-label": "Health" },
      element("div", {}, badge(text, tone), plugin.detail ? element("span", { class: "sub" }, plugin.detail) : null),
    ),
    cell("Handled", count(plugin.handled)),
    cell("Failed", count(plugin.failed), plugin.failed > 0),
    cell("Dropped", count(plugin.dropped), plugin.dropped > 0),
    cell("Mailbox", `${count(plugin.pending)} of ${count(plugin.size)}`),
    cell("Restarts", count(plugin.restarts), plugin.restarts > 0),
  );
}
