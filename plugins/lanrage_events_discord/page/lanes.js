// What each lane delivered in the last minutes, as a picture, as numbers and as a table.

import { LiveBadge, stateWords } from "./states.js";

const EVERY_MS = 2000;
// Messages that follow each other closely wait a moment, which is no news.
const SHOWN_SECONDS = 0.2;
const HEIGHT = 168;
const LEFT = 36;
const RIGHT = 8;
const BARS_TOP = 10;
const BARS_HEIGHT = 84;
const LINE_TOP = 112;
const LINE_HEIGHT = 34;

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
    const names = status.lanes.map(({ name }) => name);
    for (const name of [...cards.keys()]) {
      if (!names.includes(name)) {
        cards.get(name).leave();
        cards.delete(name);
      }
    }

    for (const lane of status.lanes) {
      const past = history.lanes.find(({ name }) => name === lane.name);
      if (!cards.has(lane.name)) {
        cards.set(lane.name, new LaneCard(host, lane.name));
        list.append(cards.get(lane.name).node);
      }

      cards.get(lane.name).show(lane, past?.buckets ?? [], history.seconds_per_bucket);
    }

    if (names.length === 0) {
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
    const { element, newId } = host;
    this.badge = new LiveBadge(host);
    this.reason = element("p", {});
    this.picture = element("div", { class: "picture" });
    this.titleId = newId("picture");
    this.descriptionId = newId("picture");
    this.numbers = Object.fromEntries(
      ["sent", "messages", "pending", "failed", "rate_limited", "expired"].map((key) => [key, element("dd", {})]),
    );
    this.table = element("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": `Delivery of ${name} as a table` });
    const figure = (title, key) => element("div", {}, element("dt", {}, title), this.numbers[key]);
    this.details = element("details", { ontoggle: () => this.#showTable() }, element("summary", {}, "The same as a table"), this.table);
    this.node = element(
      "section",
      { class: "card lane", "aria-label": `Lane ${name}`, "data-lane": name },
      element("div", { class: "card-head" }, element("h2", {}, "Webhook ", element("bdi", {}, name)), this.badge.node),
      this.reason,
      this.picture,
      this.#legend(),
      element(
        "dl",
        { class: "stats" },
        figure("Events sent", "sent"),
        figure("Messages", "messages"),
        figure("Waiting", "pending"),
        figure("Refused", "failed"),
        figure("Rate limits", "rate_limited"),
        figure("Too old", "expired"),
      ),
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
    setText(this.reason, words.sentence(lane.reason || (lane.last_error ? `Last trouble: ${lane.last_error}` : "")));
    for (const [key, node] of Object.entries(this.numbers)) {
      setText(node, words.count(lane[key]));
    }

    this.#draw();
    this.#showTable();
  }

  leave() {
    this.observer.disconnect();
    this.node.remove();
  }

  #legend() {
    const { element } = this.host;
    const item = (kind, text) =>
      element(
        "li",
        {},
        element("svg:svg", { class: "key", viewBox: "0 0 14 14", "aria-hidden": "true" }, element("svg:rect", { class: kind, x: 1, y: 1, width: 12, height: 12, rx: 2 })),
        text,
      );
    return element(
      "ul",
      { class: "legend", "aria-label": "Legend" },
      item("bar-sent", "sent"),
      item("bar-failed", "refused"),
      item("area-waiting", "waiting"),
      item("limit", "waits for a rate limit"),
    );
  }

  #draw() {
    const width = Math.floor(this.picture.clientWidth);
    const now = JSON.stringify([width, this.buckets]);
    if (!this.buckets?.length || width < 100 || now === this.drawn) {
      return;
    }

    this.drawn = now;
    this.host.fill(this.picture, this.#svg(width));
  }

  #svg(width) {
    const { element } = this.host;
    const { buckets } = this;
    const step = (width - LEFT - RIGHT) / buckets.length;
    const x = (index) => LEFT + index * step;
    const most = niceTop(Math.max(1, ...buckets.map(({ sent, failed }) => sent + failed)));
    const longest = niceTop(Math.max(1, ...buckets.map(({ waiting }) => waiting)));
    const barHeight = (value) => (value / most) * BARS_HEIGHT;
    const parts = [];
    buckets.forEach((bucket, index) => {
      const limited = bucket.waited >= SHOWN_SECONDS || bucket.rate_limited > 0;
      if (limited) {
        parts.push(
          element("svg:rect", { class: "limit", x: x(index), y: BARS_TOP, width: step, height: LINE_TOP + LINE_HEIGHT - BARS_TOP }),
        );
      }
    });
    parts.push(gridLine(element, width, BARS_TOP), gridLine(element, width, BARS_TOP + BARS_HEIGHT), gridLine(element, width, LINE_TOP + LINE_HEIGHT));
    buckets.forEach((bucket, index) => {
      const gap = Math.min(2, step / 4);
      const bar = (kind, value, below) =>
        value > 0
          ? element("svg:rect", {
              class: kind,
              x: x(index) + gap / 2,
              y: BARS_TOP + BARS_HEIGHT - barHeight(below + value),
              width: Math.max(1, step - gap),
              height: Math.max(1.5, barHeight(value)),
              rx: Math.min(1.5, step / 4),
            })
          : null;
      parts.push(bar("bar-sent", bucket.sent, 0), bar("bar-failed", bucket.failed, bucket.sent));
    });
    const base = LINE_TOP + LINE_HEIGHT;
    const level = (value) => base - (value / longest) * LINE_HEIGHT;
    const corners = buckets.flatMap(({ waiting }, index) => [`${x(index)},${level(waiting)}`, `${x(index + 1)},${level(waiting)}`]);
    const anyWaiting = buckets.some(({ waiting }) => waiting > 0);
    const anything = buckets.some(({ sent, failed }) => sent + failed > 0);
    parts.push(
      anyWaiting && element("svg:polygon", { class: "area-waiting", points: [`${x(0)},${base}`, ...corners, `${x(buckets.length)},${base}`].join(" ") }),
    );
    const label = (text, left, y, anchor) => element("svg:text", { x: left, y, "text-anchor": anchor }, text);
    const minutes = Math.round((buckets.length * this.seconds) / 60);
    parts.push(
      label(short(most), LEFT - 6, BARS_TOP + 4, "end"),
      label("0", LEFT - 6, BARS_TOP + BARS_HEIGHT + 4, "end"),
      label(short(longest), LEFT - 6, LINE_TOP + 8, "end"),
      label("0", LEFT - 6, base + 4, "end"),
      label(`${minutes} min ago`, LEFT, HEIGHT - 4, "start"),
      label("now", width - RIGHT, HEIGHT - 4, "end"),
      !anything && label(`nothing sent in the last ${minutes} minutes`, (LEFT + width - RIGHT) / 2, BARS_TOP + BARS_HEIGHT / 2 + 4, "middle"),
    );
    return element(
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
      parts,
    );
  }

  #summary() {
    const { counted, count } = this.host.words;
    const sum = (key) => this.buckets.reduce((total, bucket) => total + bucket[key], 0);
    const waiting = Math.max(0, ...this.buckets.map((bucket) => bucket.waiting));
    return (
      `${counted(sum("sent"), "event")} sent, ${count(sum("failed"))} refused, at most ${count(waiting)} waiting, ` +
      `${counted(Math.round(sum("waited")), "second")} spent waiting for rate limits.`
    );
  }

  #showTable() {
    if (!this.details.open || !this.buckets) {
      return;
    }

    const { element, fill, words } = this.host;
    const told = this.buckets.filter(({ sent, failed, waiting, waited, rate_limited: limited }) => sent || failed || waiting || waited || limited);
    const cells = (bucket) => [
      element("th", { scope: "row" }, words.clock(bucket.start)),
      ...[bucket.sent, bucket.failed, bucket.waiting, bucket.rate_limited].map((value) => element("td", { class: "number" }, words.count(value))),
      element("td", { class: "number" }, `${Math.round(bucket.waited * 10) / 10} s`),
    ];
    fill(
      this.table,
      element("p", {}, this.#summary()),
      told.length === 0
        ? null
        : element(
            "table",
            { class: "table table-small" },
            element("caption", { class: "visually-hidden" }, `Each ${this.seconds} seconds in which something happened`),
            element(
              "thead",
              {},
              element("tr", {}, ["From", "Sent", "Refused", "Waiting", "429 answers", "Waited"].map((name) => element("th", { scope: "col" }, name))),
            ),
            element("tbody", {}, told.reverse().map((bucket) => element("tr", {}, cells(bucket)))),
          ),
    );
  }
}

function gridLine(element, width, y) {
  return element("svg:line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= value);
}

function short(value) {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}
