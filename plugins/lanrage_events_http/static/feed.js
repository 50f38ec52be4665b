// The live feed: events as they are published, the newest first.

import { badge, button, element, fill, newId, sectionHead, setText } from "./dom.js";
import { eventTypes, openStream } from "./stream.js";
import { clock, count, counted, dayAndClock, hasInk, json, quoted, words } from "./format.js";

const MAX_ROWS = 200;
const IN_EVERY_EVENT = new Set(["type", "id", "time", "parent_id"]);

/** Show the feed. */
export function mountFeed(root, { announce }) {
  const list = element("ol", { class: "feed", "aria-label": "Events, the newest first" });
  const empty = element(
    "div",
    { class: "empty" },
    element("p", { class: "empty-title" }, "No events yet"),
    element("p", {}, "As soon as a program publishes one, it appears here. To try it:"),
    element("pre", { tabindex: "0", class: "code" }, "lanrage-events publish peer_joined peer_name=Ann party_name=LAN"),
  );
  const state = element("span", { class: "badge badge-neutral", role: "status" }, "Connecting…");
  const tally = element("span", { class: "muted" });
  const pause = button("Pause", togglePause, { "aria-pressed": "false" });
  const clear = button("Clear", clearRows, { kind: "button-quiet" });
  const filter = element("div", { class: "chips", role: "group", "aria-label": "Show only these event types" });
  const chosen = new Set();
  const known = new Set();
  const seen = new Set();
  let waiting = [];
  let paused = false;
  let frame = null;
  let stop = () => {};
  let left = false;

  root.append(
    sectionHead(
      "Live feed",
      "What happens on the event bus, as it happens.",
      element("div", { class: "head-state" }, state, clear, pause),
    ),
    element(
      "section",
      { class: "card", "aria-label": "Events" },
      element("div", { class: "toolbar" }, filter, tally),
      empty,
      list,
    ),
  );

  eventTypes().then(
    (types) => {
      types.forEach(({ type }) => known.add(type));
      showFilter();
    },
    () => {},
  );
  open(true);

  function open(past) {
    stop();
    stop = openStream({
      types: [...chosen],
      past,
      onEvent: (event) => take({ event }),
      onGap: (gap) => {
        take({ gap });
        announce(gap);
      },
      onState: ({ connected, reason }) => {
        state.className = `badge badge-${connected ? "good" : "warn"}`;
        setText(state, connected ? "Live" : `${reason} Reconnecting…`);
      },
    });
  }

  function take(item) {
    // Past events come again when the filter changes.
    const id = item.event?.id;
    if (id && seen.has(id)) {
      return;
    }

    if (id) {
      seen.add(id);
    }

    waiting.push(item);
    waiting = waiting.slice(-MAX_ROWS);
    frame ??= requestAnimationFrame(showWaiting);
  }

  function showWaiting() {
    frame = null;
    if (left) {
      return;
    }

    if (paused) {
      setText(pause, `Continue (${count(waiting.length)}${waiting.length === MAX_ROWS ? "+" : ""} new)`);
      return;
    }

    const rows = waiting.splice(0).reverse().map(row);
    list.prepend(...rows);
    while (list.children.length > MAX_ROWS) {
      const last = list.lastElementChild;
      seen.delete(last.dataset.event);
      last.remove();
    }

    showTally();
  }

  function showTally() {
    empty.hidden = list.children.length > 0;
    clear.hidden = list.children.length === 0;
    setText(tally, list.children.length === 0 ? "" : `${counted(list.children.length, "event")}${list.children.length === MAX_ROWS ? ", older ones are left out" : ""}`);
  }

  function togglePause() {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    setText(pause, paused ? "Continue" : "Pause");
    showWaiting();
  }

  function clearRows() {
    fill(list);
    waiting = [];
    showTally();
    pause.focus();
  }

  function showFilter() {
    const all = chip("All types", chosen.size === 0, () => chosen.clear());
    fill(
      filter,
      all,
      [...known].sort().map((type) =>
        chip(words(type), chosen.has(type), () => {
          if (!chosen.delete(type)) {
            chosen.add(type);
          }
        }),
      ),
    );
  }

  function chip(text, pressed, change) {
    return element("button", { class: "chip", type: "button", "aria-pressed": String(pressed), onclick: () => choose(text, change) }, text);
  }

  function choose(text, change) {
    change();
    showFilter();
    [...filter.children].find((child) => child.textContent === text)?.focus();
    fill(list);
    seen.clear();
    waiting = [];
    showTally();
    announce(chosen.size === 0 ? "Showing all event types" : `Showing only ${[...chosen].map(words).join(", ")}`);
    open(true);
  }

  showTally();
  return () => {
    left = true;
    stop();
  };
}

function row({ event, gap }) {
  if (gap) {
    return element("li", { class: "feed-gap" }, gap);
  }

  const details = newId("event");
  const fields = Object.entries(event).filter(([name, value]) => !IN_EVERY_EVENT.has(name) && value !== null);
  const body = element("pre", { class: "code", id: details, hidden: true, tabindex: "0" }, json(event));
  const more = element(
    "button",
    {
      class: "feed-more",
      type: "button",
      "aria-expanded": "false",
      "aria-controls": details,
      "aria-label": `Details of ${words(event.type)}`,
      onclick: () => {
        body.hidden = !body.hidden;
        more.setAttribute("aria-expanded", String(!body.hidden));
      },
    },
    "{ }",
  );
  return element(
    "li",
    { class: "feed-row", "data-event": event.id, "data-type": event.type },
    element("time", { class: "feed-time", datetime: event.time, title: dayAndClock(event.time) }, clock(event.time)),
    element("div", { class: "feed-type" }, badge(words(event.type), tone(event.type))),
    element(
      "div",
      { class: "feed-fields" },
      fields.map(([name, value]) =>
        element("span", { class: "feed-field" }, element("span", { class: "muted" }, `${words(name)} `), written(value)),
      ),
    ),
    more,
    body,
  );
}

/** Write a value so that no part of it changes how what is beside it is read. */
function written(value) {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => [index ? ", " : "", written(item)]);
  }

  if (typeof value === "object" && value !== null) {
    return element("bdi", {}, JSON.stringify(value));
  }

  const text = String(value);
  return element("bdi", {}, hasInk(text) ? text : quoted(text));
}

function tone(type) {
  const tones = ["hue-1", "hue-2", "hue-3", "hue-4", "hue-5", "hue-6"];
  let sum = 0;
  for (const letter of type) {
    sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  }

  return tones[sum % tones.length];
}
