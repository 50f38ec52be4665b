// A part of a card that polls show.

/** A part that is only made again if what it shows has changed, so that what is focused stays. */
export class Part {
  constructor(host, tag = "div", props = {}) {
    this.host = host;
    this.shown = "null";
    this.node = host.element(tag, { ...props, hidden: true });
  }

  /** Show what a function makes; nothing if the key is null. */
  show(key, make) {
    const now = JSON.stringify(key);
    if (now === this.shown) {
      return;
    }

    this.shown = now;
    this.node.hidden = key === null;
    this.host.fill(this.node, key === null ? null : make());
  }
}
