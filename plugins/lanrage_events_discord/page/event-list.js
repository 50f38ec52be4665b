// The events of a digest: a list from which one is chosen to be edited.

/** A list of events, of which one is current. It has at least one. */
export class EventList {
  /**
   * @param {object} host what the page offers
   * @param {object} on
   * @param {(index: number) => void} on.open called when the user chooses an event
   * @param {() => void} on.add called when the user wants another one
   * @param {(index: number) => void} on.remove called when the user removes one
   */
  constructor(host, { open, add, remove }) {
    this.host = host;
    this.open = open;
    this.remove = remove;
    const { element } = host;
    this.list = element("ol", { class: "events", "aria-label": "Events of the digest" });
    this.add = element("button", { class: "button", type: "button", onclick: add }, "Add an event");
    this.hint = element("p", { class: "muted" });
    this.node = element("div", { class: "event-list", hidden: true }, this.list, element("div", { class: "actions" }, this.add), this.hint);
    this.rows = [];
  }

  /** Show the events again, after one was added, removed or chosen. */
  show(events, current, most) {
    const { fill, setText } = this.host;
    this.rows = events.map((event, index) => this.#row(event, index, index === current));
    fill(this.list, this.rows.map(({ node }) => node));
    this.add.disabled = events.length >= most;
    setText(this.hint, this.add.disabled ? `A preview has ${most} events at most.` : "");
    this.rows.forEach(({ remove }) => {
      remove.hidden = events.length === 1;
    });
  }

  /** Show what has changed in one of them. */
  rename(index, event) {
    this.host.setText(this.rows[index].text, summary(this.host, event));
  }

  /** Mark those that are not valid. */
  showErrors(invalid) {
    this.rows.forEach(({ node, mark }, index) => {
      node.classList.toggle("event-invalid", invalid.has(index));
      this.host.setText(mark, invalid.has(index) ? "not valid" : "");
    });
  }

  focus(index) {
    this.rows[index].choose.focus();
  }

  #row(event, index, isCurrent) {
    const { element, words } = this.host;
    const text = element("bdi", { class: "event-text" }, summary(this.host, event));
    const mark = element("span", { class: "event-mark" });
    const choose = element(
      "button",
      { class: "event-choose", type: "button", "aria-current": isCurrent ? "true" : null, onclick: () => this.open(index) },
      element("span", {}, words.words(event.type)),
      " ",
      text,
      " ",
      mark,
    );
    const remove = element(
      "button",
      { class: "button button-quiet-danger", type: "button", "aria-label": `Remove event ${index + 1}`, onclick: () => this.remove(index) },
      "Remove",
    );
    return { node: element("li", { class: "event" }, choose, remove), choose, remove, text, mark };
  }
}

/** Return the first text of an event, which mostly names what it is about. */
function summary({ words }, { fields }) {
  const text = Object.values(fields).find((value) => typeof value === "string" && words.hasInk(value)) ?? "";
  const letters = [...text.replaceAll(/\s+/g, " ").trim()];
  return letters.length > 40 ? `${letters.slice(0, 39).join("")}…` : letters.join("");
}
