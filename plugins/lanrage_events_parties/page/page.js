// The parties: who is on, and since when.

import { PartyCard } from "./card.js";

export { default as screen } from "./screen.js";

const EVERY_MS = 5000;
const CLOCK_MS = 1000;
// The parties follow an event a moment after the feed has it.
const AFTER_EVENT_MS = 400;
const MOST = 200;

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("page.css", import.meta.url).href;
document.head.append(style);

/** Fill the section. */
export default function mount(root, host) {
  const { element, fill, setText, words } = host;
  const cards = new Map();
  const lead = element("p", { class: "lead" });
  const list = element("div", { class: "parties-list" });
  const empty = element(
    "section",
    { class: "card", hidden: true },
    element("h2", {}, "Nobody is on"),
    element("p", { class: "parties-empty" }, "As soon as someone joins a party or a server, it is shown here."),
  );
  const more = element("p", { class: "muted" });
  root.append(
    element(
      "header",
      { class: "section-head" },
      element("div", {}, element("h1", {}, "Who is on"), lead),
      element("a", { class: "button", href: `/screen/${encodeURIComponent(host.name)}`, target: "_blank" }, "Big screen"),
    ),
    list,
    empty,
    more,
  );
  let timer = null;
  let turns = 0;
  let shown = 0;
  host.every(EVERY_MS, refresh);
  host.every(CLOCK_MS, () => cards.forEach((card) => card.tick()));
  host.events(["party_event"], () => {
    timer ??= setTimeout(() => {
      timer = null;
      // The next turn tries again.
      refresh().catch(() => null);
    }, AFTER_EVENT_MS);
  });
  return () => clearTimeout(timer);

  async function refresh() {
    turns += 1;
    const turn = turns;
    const { parties, total } = await host.api(`/?limit=${MOST}`);
    // One that began before may be answered after it.
    if (turn < shown) {
      return;
    }

    shown = turn;
    show(parties, total);
  }

  function show(parties, total) {
    const people = parties.reduce((sum, { size }) => sum + size, 0);
    const active = parties.filter((party) => party.active).length;
    setText(
      lead,
      active ? `${words.counted(people, "player")} in ${words.counted(active, "party", "parties")}.` : "Nobody is in a party.",
    );
    for (const [key, card] of cards) {
      if (!parties.some((party) => party.key === key)) {
        card.node.remove();
        cards.delete(key);
      }
    }

    let before = null;
    for (const party of parties) {
      if (!cards.has(party.key)) {
        cards.set(party.key, new PartyCard(host, party.key));
      }

      const { node } = cards.get(party.key);
      // What stays in its place keeps the focus.
      if ((before ? before.nextSibling : list.firstChild) !== node) {
        list.insertBefore(node, before ? before.nextSibling : list.firstChild);
      }

      before = node;
      cards.get(party.key).show(party);
    }

    empty.hidden = parties.length > 0;
    fill(more, total > parties.length ? `${words.counted(total - parties.length, "more party", "more parties")}, not shown here.` : null);
  }
}
