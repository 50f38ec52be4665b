// One party: its game, and who is in it.

const MINUTE = 60;

/** A card that is only made again where it has changed. */
export class PartyCard {
  constructor(host, key) {
    this.host = host;
    this.key = key;
    this.times = [];
    this.shown = "";
    this.hasAll = false;
    const { element } = host;
    this.name = element("bdi", { class: "parties-heading" });
    this.state = element("span", {});
    this.facts = element("p", { class: "parties-facts" });
    this.members = element("ul", { class: "parties-members" });
    this.all = element("button", { class: "button", type: "button", onclick: () => this.#showAll() });
    this.actions = element("div", { class: "actions", hidden: true }, this.all);
    this.node = element(
      "section",
      { class: "card parties-card", "data-party": key },
      element("div", { class: "card-head" }, element("h2", { class: "parties-name" }, this.name), this.state),
      this.facts,
      this.members,
      this.actions,
    );
  }

  show(party) {
    if (this.hasAll && party.size > party.members.length) {
      // Of a list, it has fewer.
      this.#load();
    } else {
      this.#draw(party);
    }
  }

  /** Count the times on. */
  tick() {
    for (const [node, time] of this.times) {
      this.host.setText(node, forHow(this.host, time));
    }
  }

  #draw(party) {
    const now = JSON.stringify(party);
    if (now === this.shown) {
      return;
    }

    this.shown = now;
    this.times = [];
    const { element, fill, setText, badge, words } = this.host;
    const name = labelOf(this.host, party);
    setText(this.name, name);
    this.node.setAttribute("aria-label", words.legible(name).slice(0, 200));
    fill(this.state, badge(party.active ? `${words.count(party.size)} on` : "Empty", party.active ? "good" : "neutral"));
    fill(
      this.facts,
      party.game && element("span", {}, "Game: ", element("bdi", {}, party.game), party.game_since && [", ", this.#since(party.game_since)]),
      element("span", {}, "Began ", this.#since(party.since, " ago")),
      party.host && element("span", {}, "Host: ", element("bdi", {}, party.host)),
      party.visitors > party.size && element("span", {}, `${words.counted(party.visitors, "visitor")} so far`),
      playing(party) && element("span", {}, "Playing: ", element("bdi", {}, playing(party))),
    );
    fill(
      this.members,
      party.members.map((member) =>
        element(
          "li",
          { class: "parties-member" },
          element("bdi", {}, legibleName(this.host, member.name)),
          element("span", { class: "parties-since" }, this.#since(member.since), element("span", {}, `since ${clock(words, member.since)}`)),
        ),
      ),
    );
    this.actions.hidden = party.size <= party.members.length;
    setText(this.all, `Show all ${words.count(party.size)}`);
  }

  #since(time, end = "") {
    const { element, words } = this.host;
    const count = element("span", {}, forHow(this.host, time));
    this.times.push([count, time]);
    return element("time", { datetime: time, title: words.dayAndClock(time) }, count, end);
  }

  async #showAll() {
    this.hasAll = true;
    await this.#load();
    this.node.querySelector("h2").setAttribute("tabindex", "-1");
    this.node.querySelector("h2").focus();
  }

  async #load() {
    try {
      this.#draw(await this.host.api(`/${encodeURIComponent(this.key)}`));
    } catch {
      // It is over, or the next turn tries again.
    }
  }
}

/** Write what a party is called. */
export function labelOf(host, { name, id }) {
  return legibleName(host, name ?? id ?? "A party without a name");
}

/** Write a name, in quotes if nothing of it could be seen. */
export function legibleName({ words }, name) {
  return words.hasInk(name) ? name : words.quoted(name);
}

/** Write how long something lasts, in the two largest units. */
function forHow(host, time) {
  const seconds = Math.max(0, (Date.now() - new Date(time).getTime()) / 1000);
  return seconds < MINUTE ? "under a minute" : host.words.duration(Math.floor(seconds / MINUTE) * MINUTE);
}

/** Write a time of day to the minute, with the day if it is another one. */
export function clock(words, time) {
  const isToday = new Date(time).toDateString() === new Date().toDateString();
  return (isToday ? words.clock(time) : words.dayAndClock(time)).replace(/:\d\d$/, "");
}

/** Return who plays, if others do than who is in the party. */
function playing({ players, members }) {
  const names = new Set(members.map(({ name }) => name.toLowerCase()));
  return players.some((name) => !names.has(name.toLowerCase())) ? players.slice(0, 10).join(", ") : "";
}
