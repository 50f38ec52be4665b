// What each lane delivered in the last minutes, as a picture, as numbers and as a table.

import { Figures, LiveBadge, quietWords, stateWords } from "./states.js";

const EVERY_MS = 2000;
// Messages that follow each other closely wait a moment, which is not worth showing.
const SHOWN_SECONDS = 0.2;
const HEIGHT = 168;
const LEFT = 36;
const RIGHT = 8;
const BARS_TOP = 10;
const BARS_HEIGHT = 84;
const BARS_BASE = BARS_TOP + BARS_HEIGHT;
const LINE_TOP = 112;
const LINE_HEIGHT = 34;
const LINE_BASE = LINE_TOP + LINE_HEIGHT;
const FIGURES = {
  sent: "Events sent",
  messages: "Messages",
  pending: "Waiting",
  failed: "Rejected",
  rate_limited: "Rate limits",
  expired: "Too old",
  cancelled: "Cancelled",
  reconnects: "Reconnects",
  shortened: "Shortened",
  dropped: "Dropped",
};
const LEGEND = { "bar-sent": "sent", "bar-failed": "rejected", "area-waiting": "waiting", limit: "waits for a rate limit" };
const COLUMNS = ["From", "Sent", "Rejected", "Waiting", "429 answers", "Waited"];

/** Show the picture of each lane. */
export function mountLanes(root, host) {
  const { element, fill } = host;
  const cards = new Map();
  const list = element("div", { class: "stack" });
  const empty = element(
    "section",
    { class: "card" },
    element("h2", {}, "Nothing is sent to Discord yet"),
    element("p", { class: "muted" }, "Once a channel is connected, the delivery of the last five minutes is drawn here."),
    element("p", {}, element("a", { class: "button", href: host.href("") }, "Connect a channel")),
  );
  root.append(list);
  host.every(EVERY_MS, async () => {
    const [status, history] = await Promise.all([host.api("/status"), host.api("/history")]);
    for (const [name, card] of [...cards]) {
      if (!status.lanes.some((lane) => lane.name === name)) {
        card.leave();
        cards.delete(name);
      }
    }

    for (const lane of status.lanes) {
      if (!cards.has(lane.name)) {
        cards.set(lane.name, new LaneCard(host, lane.name));
        list.append(cards.get(lane.name).node);
      }

      const past = history.lanes.find(({ name }) => name === lane.name);
      cards.get(lane.name).show(lane, past?.buckets ?? [], history.seconds_per_bucket);
    }

    if (cards.size === 0) {
      fill(list, empty);
    } else {
      empty.remove();
    }
  });
  return () => cards.forEach((card) => card.leave());
}

class LaneCard {
  constructor(host, name) {
    this.host = host;
    this.name = name;
    this.drawn = "";
    this.tabled = "";
    const { element, newId } = host;
    this.badge = new LiveBadge(host);
    this.reason = element("p", {});
    this.nothing = element("p", { class: "muted" });
    this.picture = element("div", { class: "picture" });
    this.titleId = newId("picture");
    this.descriptionId = newId("picture");
    this.figures = new Figures(host, FIGURES);
    this.table = element("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": `Delivery of ${name} as a table` });
    this.details = element("details", { ontoggle: () => this.#showTable() }, element("summary", {}, "The same as a table"), this.table);
    this.node = element(
      "section",
      { class: "card lane", "aria-label": `Lane ${name}`, "data-lane": name },
      element("div", { class: "card-head" }, element("h2", {}, "Webhook ", element("bdi", {}, name)), this.badge.node),
      this.reason,
      this.nothing,
      this.picture,
      this.#legend(),
      this.figures.node,
      this.details,
    );
    this.observer = new ResizeObserver(() => this.#draw());
    this.observer.observe(this.picture);
  }

  show(lane, buckets, seconds) {
    const { setText, words } = this.host;
    this.buckets = buckets;
    this.seconds = seconds;
    const [state, tone] = stateWords(lane.state);
    this.badge.set(state, tone);
    this.reason.className = `lane-reason lane-reason-${lane.reason ? tone : "neutral"}`;
    setText(this.reason, quietWords(words, lane) || words.sentence(lane.reason || (lane.last_error && `Last error: ${lane.last_error}`)));
    this.figures.show(lane);
    this.#draw();
    this.#showTable();
  }

  leave() {
    this.observer.disconnect();
    this.node.remove();
  }

  #legend() {
    const { element } = this.host;
    const key = (kind) => element("svg:svg", { class: "key", viewBox: "0 0 14 14", "aria-hidden": "true" }, rectangle(element, kind, 1, 1, 12, 12, 2));
    const items = Object.entries(LEGEND).map(([kind, text]) => element("li", {}, key(kind), text));
    return element("ul", { class: "legend", "aria-label": "Legend" }, items);
  }

  #draw() {
    const width = Math.floor(this.picture.clientWidth);
    const now = this.buckets && this.#key(width);
    if (!this.buckets?.length || width < 100 || now === this.drawn) {
      return;
    }

    this.drawn = now;
    const { element, fill, setText } = this.host;
    const minutes = Math.round((this.buckets.length * this.seconds) / 60);
    const isIdle = this.buckets.every(({ sent, failed }) => sent + failed === 0);
    setText(this.nothing, isIdle ? `Nothing was sent in the last ${minutes} minutes.` : "");
    fill(
      this.picture,
      element(
        "svg:svg",
        {
          class: "lane-picture",
          width,
          height: HEIGHT,
          viewBox: `0 0 ${width} ${HEIGHT}`,
          role: "img",
          "aria-labelledby": `${this.titleId} ${this.descriptionId}`,
        },
        element("svg:title", { id: this.titleId }, `Delivery of ${this.name} in the last ${minutes} minutes`),
        element("svg:desc", { id: this.descriptionId }, this.#summary()),
        this.#parts(width, minutes),
      ),
    );
  }

  #parts(width, minutes) {
    const { element } = this.host;
    const { buckets } = this;
    const step = (width - LEFT - RIGHT) / buckets.length;
    const gap = Math.min(2, step / 4);
    const x = (index) => LEFT + index * step;
    const most = niceTop(Math.max(1, ...buckets.map(({ sent, failed }) => sent + failed)));
    const longest = niceTop(Math.max(1, ...buckets.map(({ waiting }) => waiting)));
    const barHeight = (value) => (value / most) * BARS_HEIGHT;
    const bar = (kind, index, value, below) =>
      value > 0 &&
      rectangle(element, kind, x(index) + gap / 2, BARS_BASE - barHeight(below + value), Math.max(1, step - gap), Math.max(1.5, barHeight(value)), Math.min(1.5, step / 4));
    const level = (value) => LINE_BASE - (value / longest) * LINE_HEIGHT;
    const corners = buckets.flatMap(({ waiting }, index) => [`${x(index)},${level(waiting)}`, `${x(index + 1)},${level(waiting)}`]);
    const label = (text, left, y, anchor) => element("svg:text", { x: left, y, "text-anchor": anchor }, text);
    return [
      buckets.map(
        ({ waited, rate_limited: limited }, index) =>
          (waited >= SHOWN_SECONDS || limited > 0) && rectangle(element, "limit", x(index), BARS_TOP, step, LINE_BASE - BARS_TOP, 0),
      ),
      [BARS_TOP, BARS_BASE, LINE_BASE].map((y) => element("svg:line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y })),
      buckets.map(({ sent, failed }, index) => [bar("bar-sent", index, sent, 0), bar("bar-failed", index, failed, sent)]),
      buckets.some(({ waiting }) => waiting > 0) &&
        element("svg:polygon", { class: "area-waiting", points: [`${x(0)},${LINE_BASE}`, ...corners, `${x(buckets.length)},${LINE_BASE}`].join(" ") }),
      label(short(most), LEFT - 6, BARS_TOP + 4, "end"),
      label("0", LEFT - 6, BARS_BASE + 4, "end"),
      label(short(longest), LEFT - 6, LINE_TOP + 8, "end"),
      label("0", LEFT - 6, LINE_BASE + 4, "end"),
      label(`${minutes} min ago`, LEFT, HEIGHT - 4, "start"),
      label("now", width - RIGHT, HEIGHT - 4, "end"),
    ];
  }

  /** Return a text that changes with the figures; the times of the buckets differ by a moment each time. */
  #key(...more) {
    return JSON.stringify([more, this.buckets.map(({ start, ...figures }) => figures)]);
  }

  #summary() {
    const { counted, count } = this.host.words;
    const sum = (key) => this.buckets.reduce((total, bucket) => total + bucket[key], 0);
    const waiting = Math.max(0, ...this.buckets.map((bucket) => bucket.waiting));
    return (
      `${counted(sum("sent"), "event")} sent, ${count(sum("failed"))} rejected, at most ${count(waiting)} waiting, ` +
      `${counted(Math.round(sum("waited")), "second")} spent waiting for rate limits.`
    );
  }

  #showTable() {
    if (!this.details.open || !this.buckets) {
      return;
    }

    const now = this.#key(this.host.words.clock(this.buckets[0]?.start));
    if (now === this.tabled) {
      return;
    }

    this.tabled = now;

    const { element, fill, words } = this.host;
    const rows = this.buckets.map(({ start, sent, failed, waiting, rate_limited: limited, waited }) => ({
      start,
      figures: [sent, failed, waiting, limited].map(words.count).concat(`${Math.round(waited * 10) / 10} s`),
      isShown: sent || failed || waiting || limited || waited,
    }));
    const shown = rows.filter(({ isShown }) => isShown).reverse();
    const row = ({ start, figures }) =>
      element("tr", {}, element("th", { scope: "row" }, words.clock(start)), figures.map((text) => element("td", { class: "number" }, text)));
    fill(
      this.table,
      element("p", {}, this.#summary()),
      shown.length > 0 &&
        element(
          "table",
          { class: "table table-small" },
          element("caption", { class: "visually-hidden" }, `Each ${this.seconds} seconds in which something happened`),
          element("thead", {}, element("tr", {}, COLUMNS.map((name) => element("th", { scope: "col" }, name)))),
          element("tbody", {}, shown.map(row)),
        ),
    );
  }
}

function rectangle(element, kind, x, y, width, height, rx) {
  return element("svg:rect", { class: kind, x, y, width, height, rx });
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= value);
}

function short(value) {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}
