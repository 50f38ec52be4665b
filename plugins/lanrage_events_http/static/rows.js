// Rows that polls show: each stays as long as its item, with what is focused or open in it.

/** The children of an element, one for each item. */
export class Rows {
  /**
   * @param {Element} list holds the rows
   * @param {(item: object) => unknown} key returns what identifies an item
   * @param {(item: object) => {node: Element, update: (item: object) => void}} make makes a row
   */
  constructor(list, key, make) {
    this.list = list;
    this.key = key;
    this.make = make;
    this.rows = new Map();
  }

  show(items) {
    const keys = new Set(items.map(this.key));
    for (const [key, row] of [...this.rows]) {
      if (!keys.has(key)) {
        row.node.remove();
        this.rows.delete(key);
      }
    }

    items.forEach((item, index) => {
      const key = this.key(item);
      const row = this.rows.get(key) ?? this.make(item);
      this.rows.set(key, row);
      row.update(item);
      // A row that is moved would lose the focus.
      if (this.list.children[index] !== row.node) {
        this.list.insertBefore(row.node, this.list.children[index] ?? null);
      }
    });
  }
}
