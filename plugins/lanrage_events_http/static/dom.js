// Elements of the page: text is always set as text, never parsed as HTML, and so that it is legible.

import { legible } from "./format.js";

// Attributes that are shown or read aloud.
const READ = /^(?:title|alt|placeholder|aria-(?:label|description))$/;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * A property that is a function and begins with "on" is an event listener; all others are attributes:
 * true is an empty attribute, and null and false are none. Children are elements, texts, or lists of
 * them; null and false are skipped.
 *
 * @param {string} tag such as "p", or "svg:rect" for a part of a picture
 */
export function element(tag, props = {}, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS(SVG, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function" && name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (["value", "checked", "selected", "indeterminate"].includes(name)) {
      node[name] = value;
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? "" : READ.test(name) ? legible(String(value)) : String(value));
    }
  }

  node.append(...children.flat(Infinity).filter(isShown).map(asNode));
  return node;
}

/** Replace the children of an element. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter(isShown).map(asNode));
  return node;
}

/** Set a text only if it has changed, so that screen readers do not announce it again. */
export function setText(node, text) {
  const shown = legible(String(text));
  if (node.textContent !== shown) {
    node.textContent = shown;
  }
}

/** Make the head of a section: its title, a lead, and elements beside them. */
export function sectionHead(title, lead, ...beside) {
  const text = element("div", {}, element("h1", {}, title), element("p", { class: "lead" }, lead));
  return element("header", { class: "section-head" }, text, ...beside);
}

/** Make a button that calls a function. */
export function button(text, onclick, { kind = "", ...props } = {}) {
  return element("button", { class: `button ${kind}`.trim(), type: "button", onclick, ...props }, text);
}

let lastNumber = 0;

/** Return an id that no other element has, for labels and descriptions. */
export function newId(prefix = "e") {
  lastNumber += 1;
  return `${prefix}-${lastNumber}`;
}

/** Make a badge: a word for a state, with a colour that only repeats the word. */
export function badge(text, tone = "neutral") {
  return element("span", { class: `badge badge-${tone}` }, text);
}

/** Make a message that stands out; screen readers announce an "error" at once. */
export function notice(tone, ...children) {
  const icon = { good: "✓", error: "!", warn: "!", info: "i" }[tone];
  return element(
    "div",
    { class: `notice notice-${tone}`, role: tone === "error" ? "alert" : null },
    element("span", { class: "notice-icon", "aria-hidden": "true" }, icon),
    element("div", { class: "notice-body" }, ...children),
  );
}

/**
 * Make a text that counts down as long as it is on the page. Screen readers do not announce it.
 *
 * @param {number} seconds how long
 * @param {(left: number) => string} write returns the text for the seconds that are left
 */
export function countdown(seconds, write) {
  const end = performance.now() + seconds * 1000;
  const node = element("span", { role: "timer" }, write(seconds));
  let wasShown = false;
  const timer = setInterval(() => {
    const left = Math.max(0, (end - performance.now()) / 1000);
    setText(node, write(left));
    wasShown ||= node.isConnected;
    if (left === 0 || (wasShown && !node.isConnected)) {
      clearInterval(timer);
    }
  }, 1000);
  return node;
}

function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(legible(String(child)));
}
