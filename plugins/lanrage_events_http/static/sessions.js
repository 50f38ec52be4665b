// The sessions: the browsers that are logged in, with buttons to end them.

import { every, request } from "./api.js";
import { confirmation } from "./dialog.js";
import { badge, button, element, fill, notice, sectionHead, setText } from "./dom.js";
import { ago, counted, dayAndClock } from "./format.js";
import { Rows } from "./rows.js";

const EVERY_MS = 5000;
const COLUMNS = ["Browser", "Token", "Address", "Last used", "Ends", ""];

/** Show the table of sessions. */
export function mountSessions(root, { announce }) {
  const body = element("tbody", { role: "rowgroup" });
  const result = element("div", { class: "result" });
  const endOthers = button("End all others…", endAllOthers, { kind: "button-quiet-danger" });
  const head = COLUMNS.map((name) => element("th", { scope: "col", role: "columnheader" }, name || hidden("Actions")));
  const table = element(
    "table",
    { class: "table", role: "table" },
    element("caption", { class: "visually-hidden" }, "Browsers that are logged in"),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)),
    body,
  );
  root.append(
    sectionHead("Sessions", "The browsers that are logged in. Programs that send a token are not listed.", endOthers),
    result,
    element("section", { class: "card card-flush", "aria-label": "Table of sessions" }, table),
  );
  const rows = new Rows(body, ({ id }) => id, row);

  async function refresh() {
    const { sessions } = await request("/api/sessions");
    endOthers.hidden = sessions.every((session) => session.is_own);
    rows.show(sessions);
  }

  async function act(path, done) {
    try {
      const answer = await request(path, { method: "DELETE" });
      fill(result, notice("good", done(answer)));
      announce(done(answer));
    } catch (problem) {
      fill(result, notice("error", problem.detail ?? String(problem)));
    }

    await refresh();
    root.querySelector("h1").focus();
  }

  async function end(session) {
    if (await confirmation("End this session?", "Its browser has to log in again.", "End")) {
      await act(`/api/sessions/${encodeURIComponent(session.id)}`, () => "The session has ended.");
    }
  }

  async function endAllOthers() {
    if (await confirmation("End all other sessions?", "All browsers but this one have to log in again.", "End")) {
      await act("/api/sessions", ({ count }) => `${counted(count, "session has", "sessions have")} ended.`);
    }
  }

  function row(session) {
    const cell = (label, ...content) => element("td", { role: "cell", "data-label": label }, element("div", {}, content));
    const address = element("bdi", {});
    const used = element("time", {});
    const node = element(
      "tr",
      { role: "row", "data-session": session.id },
      element(
        "th",
        { scope: "row", role: "rowheader" },
        element("bdi", {}, browserName(session.browser)),
        session.is_own ? [" ", badge("This browser", "info")] : null,
        element("span", { class: "sub" }, `session ${session.id}`),
      ),
      cell("Token", element("bdi", {}, session.token)),
      cell("Address", address),
      cell("Last used", used),
      cell("Ends", element("time", { datetime: session.expires }, dayAndClock(session.expires))),
      cell(
        "",
        session.is_own
          ? null
          : button("End…", () => end(session), { kind: "button-quiet-danger", "aria-label": `End session ${session.id}` }),
      ),
    );
    return {
      node,
      update(now) {
        setText(address, now.address);
        setText(used, ago(now.used));
        used.dateTime = now.used;
        used.title = dayAndClock(now.used);
      },
    };
  }

  return every(EVERY_MS, refresh);
}

/** Return a short name for a browser, which calls itself by the names of many. */
function browserName(agent) {
  const [, name] = /(Firefox|Edg|OPR|Chrome|Safari)\/[\d.]+(?!.*(?:Firefox|Edg|OPR|Chrome)\/)/.exec(agent) ?? [];
  const [, system] = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent) ?? [];
  const known = { Edg: "Edge", OPR: "Opera" }[name] ?? name;
  return known ? known + (system ? ` on ${system}` : "") : agent || "A browser without a name";
}

function hidden(text) {
  return element("span", { class: "visually-hidden" }, text);
}
