// The screen for the beamer of a hall: one party, legible from afar, with nothing to click.

import { clock, labelOf, legibleName } from "./card.js";

const EVERY_MS = 5000;
const CLOCK_MS = 1000;
// The parties follow an event a moment after the feed has it.
const AFTER_EVENT_MS = 400;
// Longer than any answer takes: a cable that was pulled out says nothing.
const PATIENCE_MS = 8000;
const PAGE_MS = 10_000;
// One rem is the smallest text that can be read from afar. Of a member, in the size of its text:
const LARGEST = 2.6;
const WIDTH = 10.5;
const HEIGHT = 1.42;
const EVENT_HEIGHT = 1.4;
const SIGNS = {
  peer_joined: ["+", "joined"],
  peer_left: ["−", "left"],
  game_started: ["▸", "began"],
  game_ended: ["▪", "is over"],
};

/** Fill the window. */
export default function screen(root, host) {
  const { element, fill, setText, words } = host;
  const wanted = new URLSearchParams(location.search).get("party");
  const heading = element("bdi");
  const facts = element("p", { class: "parties-screen-facts" });
  const time = element("p", { class: "parties-screen-clock" });
  const people = element("ol", { class: "parties-screen-people" });
  const calm = element("p", { class: "parties-screen-calm", hidden: true }, "As soon as someone joins, it is shown here.");
  const events = element("ol", { class: "parties-screen-events" });
  const code = element("img", { class: "parties-screen-code" });
  const invite = element("figure", { class: "parties-screen-invite", hidden: true }, code, element("figcaption", {}, "Join the voice chat", element("bdi", {})));
  const page = element("span");
  const others = element("span");
  const state = element("p", { class: "parties-screen-state", role: "status" });
  const view = element(
    "div",
    { class: "parties-screen" },
    element("header", {}, element("h1", {}, heading), time, facts),
    element("section", { "aria-label": "Who is on" }, calm, people),
    element("section", { class: "parties-screen-side", "aria-label": "What happened, and how to join" }, events, invite),
    element("p", { class: "parties-screen-foot" }, page, others),
    state,
  );
  root.append(view);

  let shown = null;
  let offset = 0;
  let drawn = "";
  let times = [];
  let turns = 0;
  let timer = null;
  new ResizeObserver(draw).observe(people);
  new ResizeObserver(draw).observe(events);
  host.every(EVERY_MS, refresh);
  host.every(CLOCK_MS, draw);
  host.events(["party_event"], () => {
    timer ??= setTimeout(() => {
      timer = null;
      refresh();
    }, AFTER_EVENT_MS);
  });

  async function refresh() {
    turns += 1;
    const turn = turns;
    const query = new URLSearchParams({ ...(wanted && { party: wanted }), ...(shown?.shown && { shown: shown.shown }) });
    try {
      const answer = await host.api(`/screen?${query}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      // One that began before may be answered after it.
      if (turn === turns) {
        offset = new Date(answer.time).getTime() - Date.now();
        shown = answer;
        setText(state, "");
        draw();
      }
    } catch (problem) {
      // Without an answer, the page says so.
      if (problem.status !== 0 && !state.textContent) {
        setText(state, `Not live: ${words.sentence(problem.detail ?? problem.message)}`);
      }
    }
  }

  /** Return the time by the clock of the daemon: nobody sets that of a beamer. */
  function now() {
    return Date.now() + offset;
  }

  function draw() {
    if (!shown) {
      return;
    }

    const { party } = shown;
    const members = party?.members ?? [];
    const { columns, size, most, pages } = arrange(people, members.length);
    const number = Math.floor(performance.now() / PAGE_MS) % pages;
    const rows = members.slice(number * most, (number + 1) * most);
    const latest = latestOf(Math.floor(events.clientHeight / (EVENT_HEIGHT * rem())));
    setText(time, clock(words, now()));
    const content = JSON.stringify([shown, rows, latest, columns, size, number, pages], (key, value) => (key === "time" && value === shown.time ? null : value));
    if (content !== drawn) {
      drawn = content;
      times = [];
      drawParty(party);
      drawPeople(rows, columns, size);
      fill(events, latest.map(drawEvent));
      drawInvite();
      setText(page, pages > 1 ? `${number + 1} of ${pages}` : "");
      fill(others, shown.others.length > 0 && "Also on: ", shown.others.map((one, index) => [index > 0 && ", ", element("bdi", {}, labelOf(host, one)), ` (${one.size})`]));
    }

    times.forEach(([node, since]) => setText(node, forHow(now() - new Date(since).getTime())));
  }

  function drawParty(party) {
    setText(heading, party ? labelOf(host, party) : wanted ? `Waiting for ${wanted}` : "Nobody is on");
    view.classList.toggle("parties-screen-empty", party === null);
    calm.hidden = party !== null;
    fill(
      facts,
      party && element("span", {}, `${words.count(party.size)} on`),
      party?.game && element("span", {}, element("bdi", {}, legibleName(host, party.game)), party.game_since && [" ", counted(party.game_since)]),
    );
  }

  function drawPeople(rows, columns, size) {
    people.style.setProperty("--columns", columns);
    people.style.setProperty("--rows", Math.ceil(rows.length / columns) || 1);
    people.style.setProperty("--row", `${size * HEIGHT}px`);
    people.style.fontSize = `${size}px`;
    fill(
      people,
      rows.map((member) =>
        element("li", {}, element("bdi", {}, legibleName(host, member.name)), counted(member.since)),
      ),
    );
  }

  /** Return the last events that fit into some rows; the first of a minute has it in a row above. */
  function latestOf(rows) {
    const found = [];
    let last = "";
    for (const event of shown.events) {
      const minute = clock(words, event.time);
      rows -= minute === last ? 1 : 2;
      if (rows < 0) {
        break;
      }

      found.push({ ...event, minute: minute === last ? "" : minute });
      last = minute;
    }

    return found;
  }

  function drawEvent({ type, time: at, name, minute }) {
    const [sign, verb] = SIGNS[type];
    return element(
      "li",
      {},
      minute && element("time", { datetime: at }, minute),
      element("span", { class: "parties-screen-sign", "aria-hidden": "true" }, sign),
      element("bdi", {}, legibleName(host, name)),
      element("span", { class: "visually-hidden" }, verb),
    );
  }

  function drawInvite() {
    const { url, qr } = shown.invite ?? {};
    invite.hidden = !url;
    code.hidden = !qr;
    if (url) {
      setText(invite.querySelector("bdi"), url.replace(/^https:\/\//, ""));
      code.alt = `QR code of ${url}`;
    }

    if (qr && code.src !== qr) {
      code.src = qr;
    }
  }

  function counted(since) {
    const node = element("time", { datetime: since });
    times.push([node, since]);
    return node;
  }
}

/** Return the smallest text that can be read from afar, in pixels. */
function rem() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** Return how to show so many members: on as few pages as it takes, and there as large as they fit. */
function arrange(list, count) {
  const { clientWidth: width, clientHeight: height } = list;
  const columnsOf = (size) => Math.max(1, Math.floor(width / (WIDTH * size)));
  const fitting = (size) => columnsOf(size) * Math.max(1, Math.floor(height / (HEIGHT * size)));
  const least = rem();
  const pages = Math.max(1, Math.ceil(count / fitting(least)));
  const most = Math.max(1, Math.ceil(count / pages));
  let size = LARGEST * least;
  while (size > least && fitting(size) < most) {
    size = Math.max(least, size - 1);
  }

  return { columns: columnsOf(size), size, most, pages };
}

/** Write how long something lasts, briefly. */
function forHow(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  const days = Math.floor(minutes / 1440);
  if (days > 0) {
    return `${days} d ${Math.floor((minutes % 1440) / 60)} h`;
  }

  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
}
