// The Discord plugin's part of the page: setting it up, and what its messages look like.

import { mountCards } from "./cards.js";
import { drawMessage } from "./message.js";
import { MuteCard } from "./mute.js";
import { Part } from "./part.js";
import { mountPreview } from "./preview.js";
import { mountSetup } from "./setup.js";
import { LiveBadge, lanesInUse, quietWords, stateWords, worstLane } from "./states.js";

export { mountLanes as delivery } from "./lanes.js";

const EVERY_MS = 1000;
const VIEWS = [
  ["", "Setup", mountSetup],
  ["cards", "Cards", mountCards],
  ["preview", "Message preview", mountPreview],
];

loadStyle();

/** Return whether no channel is connected yet. */
export async function needsSetup(host) {
  return lanesInUse(await host.api("/status")).length === 0;
}

/** Fill the section. */
export default function mount(root, host) {
  const { element } = host;
  const [current, , show] = VIEWS.find(([key]) => key === host.view) ?? VIEWS[0];
  const head = new Head(host);
  const part = element("div", { class: "stack" });
  const stopped = new Part(host, "span", { class: "badge badge-bad" });
  const mute = new MuteCard(host, () => refresh());
  root.append(
    head.node,
    mute.node,
    element(
      "nav",
      { class: "tabs", "aria-label": "Discord" },
      VIEWS.map(([key, title]) =>
        element("a", { href: host.href(key), "aria-current": key === current ? "page" : null }, title, key === "cards" && [" ", stopped.node]),
      ),
    ),
    part,
  );
  let turns = 0;
  let shown = 0;
  const view = show(part, host, refresh);
  host.every(EVERY_MS, async () => {
    try {
      await refresh();
    } catch (problem) {
      head.fail(problem);
      throw problem;
    }
  });

  async function refresh(status = null) {
    turns += 1;
    const turn = turns;
    const now = status ?? (await host.api("/status"));
    // A poll that began before something was saved may be answered after it.
    if (turn < shown) {
      return;
    }

    shown = turn;
    head.show(now);
    mute.show(now);
    const { cards_stopped: count } = now;
    stopped.show(count || null, () => `${host.words.count(count)} stopped`);
    view.show(now);
  }
}

/** Draw the message of an event as Discord does, where the previews of all plugins are. */
export async function preview(host, { event }) {
  const { element } = host;
  const message = await host.api("/preview", { method: "POST", body: event });
  return [
    element("div", { class: "discord", role: "group", "aria-label": "The message in Discord" }, drawMessage(host, message)),
    element("a", { href: host.href("preview") }, "A digest of several events, and Discord’s limits"),
  ];
}

/** Return the title of an outbox entry's embed, null if it has none. */
export function describe(entry) {
  try {
    // Characters that Discord would read as markup have a backslash before them.
    return JSON.parse(entry.body).embed.title.replaceAll(/\\(?=[!-/:-@[-`{-~])/g, "");
  } catch {
    return null;
  }
}

/** The heading, and how Discord is. */
class Head {
  constructor(host) {
    this.host = host;
    this.before = null;
    const { element } = host;
    this.lead = element("p", { class: "lead" });
    this.state = new LiveBadge(host);
    this.presence = new LiveBadge(host);
    this.presence.node.hidden = true;
    this.node = element(
      "header",
      { class: "section-head" },
      element("div", {}, element("h1", {}, "Discord"), this.lead),
      element("div", { class: "head-state" }, this.state.node, this.presence.node),
    );
  }

  show(status) {
    const worst = worstLane(status);
    const state = worst?.state ?? "unconfigured";
    const [words, tone] = stateWords(state);
    this.state.set(words, tone);
    // It is another plugin, which most do not have.
    this.presence.node.hidden = status.presence_connected === null;
    this.presence.set(...presenceWords(status.presence_connected));
    this.host.setText(this.lead, leadWords(state, lanesInUse(status)));
    if (this.before && isNews(this.before, state)) {
      const reason = worst && (quietWords(this.host.words, worst) || worst.reason);
      this.host.announce(`Discord: ${words}${reason ? `, ${reason}` : ""}`);
    }

    this.before = state;
  }

  /** Show why nothing is known about it. */
  fail(problem) {
    this.state.set("Not known", "warn");
    this.host.setText(this.lead, this.host.words.sentence(problem.detail ?? problem));
  }
}

function leadWords(state, lanes) {
  if (state === "unconfigured") {
    return "Two steps to go: connect a channel, and send a test message.";
  }

  if (state === "dead") {
    return "Events are kept, and sent as soon as the webhook works again.";
  }

  const quiet = lanes.filter((lane) => lane.state === "holding");
  const isKept = quiet.every((lane) => lane.quiet?.then !== "drop");
  if (quiet.length === lanes.length) {
    return `Nothing is posted for now.${isKept ? " What happens is kept." : ""}`;
  }

  const channels = lanes.length;
  if (quiet.length > 0) {
    const is = quiet.length === 1;
    const what = isKept ? `${is ? "holds" : "hold"} what happens` : `${is ? "posts" : "post"} nothing for now`;
    return `${quiet.length} of ${channels} webhooks ${what}.`;
  }

  return channels === 1 ? "Events are posted in your channel." : `Events are posted through ${channels} webhooks.`;
}

function presenceWords(connected) {
  return connected ? ["Rich Presence connected", "good"] : ["Rich Presence not connected", "warn"];
}

function isNews(before, now) {
  // Whether it is busy is not news.
  const quiet = ["idle", "gathering", "sending"];
  return before !== now && !(quiet.includes(before) && quiet.includes(now));
}

function loadStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("page.css", import.meta.url).href;
  document.head.append(link);
}
