// Numbers and times as people read them.

const COUNT = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY_AND_CLOCK = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

// See lanrage_events/_redaction/characters.py: what has no ink, and what others of it do to a text.
const PLAIN = /^[\n\t -~]*$/;
const BLANK_LETTERS = /[\u115f\u1160\u2800\u3164\uffa0\u{1d159}]/gu;
const HIDDEN = /(\u{1f3f4}[\u{e0020}-\u{e007e}]{1,6}\u{e007f})|(?![\n\t\u200c\u200d\ufe00-\ufe0f\u180b-\u180d\u180f])[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Co}\p{Cs}\p{Zl}\p{Zp}\ufff9-\ufffb]/gu;
const NO_INK = /^[\s\p{Default_Ignorable_Code_Point}\p{Cc}\p{Co}\p{Cs}\p{Z}\ufff9-\ufffb\u2800\u{1d159}]*$/u;
const ESCAPED = /(?![\n\ufe00-\ufe0f])[\u007f-\u009f\p{Default_Ignorable_Code_Point}\p{Co}\p{Zl}\p{Zp}\ufff9-\ufffb\u2800\u{1d159}]/gu;
const MAY_BE_STACKED = /[\p{M}\u200c\u200d]{2,}/gu;
// The first that fits counts: selectors are marks, too.
const MOST = {
  joiners: { letters: /[\u200c\u200d]/, count: 2 },
  selectors: { letters: /[\ufe00-\ufe0f\u180b-\u180d\u180f]/, count: 1 },
  spacing: { letters: /\p{Mc}/u, count: 3 },
  stacked: { letters: /\p{M}/u, count: 3 },
};

/** Write a number with its thousands apart. */
export function count(number) {
  return COUNT.format(number ?? 0);
}

/** Write a number and what it counts. */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Write the time of day. */
export function clock(time) {
  return write(CLOCK, time);
}

/** Write the day and the time of day. */
export function dayAndClock(time) {
  return write(DAY_AND_CLOCK, time);
}

/** Write how long ago something was, roughly. */
export function ago(time) {
  const seconds = Math.round((Date.now() - new Date(time).getTime()) / 1000);
  if (Number.isNaN(seconds)) {
    return "";
  }

  return seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

/** Write a number of seconds, roughly. */
export function span(seconds) {
  if (seconds < 60) {
    return `${Math.ceil(seconds)} s`;
  }

  if (seconds < 3600) {
    return `${Math.round(seconds / 60)} min`;
  }

  return seconds < 86400 ? `${Math.round(seconds / 3600)} h` : counted(Math.round(seconds / 86400), "day");
}

/** Write how long something takes, in full words, such as "10 minutes" or "1 minute 30 seconds". */
export function duration(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const units = [
    [Math.floor(whole / 86400), "day"],
    [Math.floor((whole % 86400) / 3600), "hour"],
    [Math.floor((whole % 3600) / 60), "minute"],
    [whole % 60, "second"],
  ];
  const first = units.findIndex(([value]) => value > 0);
  // Of an hour or a day, the seconds do not matter.
  const shown = first === -1 ? units.slice(-1) : units.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => counted(value, unit)).join(" ");
}

/** Write how long something still lasts as the commands do, such as "42 s" or "1 h 5 min". */
export function timeLeft(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 120) {
    return `${whole} s`;
  }

  const minutes = Math.round(whole / 60);
  return [`${Math.floor(minutes / 60)} h`, `${minutes % 60} min`].filter((part) => !part.startsWith("0 ")).join(" ");
}

/** Write a name of the API, such as peer_name, in words. */
export function words(name) {
  return String(name).replaceAll("_", " ");
}

/** Write a message of a program as a sentence, with a capital and a full stop. */
export function sentence(text) {
  const trimmed = String(text).trim();
  if (!trimmed) {
    return "";
  }

  const end = /[.!?…]$/.test(trimmed) ? "" : ".";
  return `${trimmed[0].toUpperCase()}${trimmed.slice(1)}${end}`;
}

/**
 * Return a text that others wrote so that it harms nothing around it, as messages in Discord do.
 *
 * What is invisible or changes the direction of text is removed, letters without ink become spaces,
 * and each character keeps at most three marks that are drawn over it.
 */
export function legible(text) {
  if (PLAIN.test(text)) {
    return text;
  }

  return text
    .replaceAll(BLANK_LETTERS, " ")
    .replaceAll(HIDDEN, (hidden, flag) => flag ?? "")
    .replaceAll(MAY_BE_STACKED, (run) => limitMarks(run, () => ""));
}

/** Return whether anything of a text can be seen. */
export function hasInk(text) {
  return !NO_INK.test(text);
}

/** Write a value as indented JSON, with all that `legible` would remove escaped. */
export function json(value) {
  return JSON.stringify(value, null, 2)
    .replaceAll(MAY_BE_STACKED, (run) => limitMarks(run, escaped))
    .replaceAll(ESCAPED, escaped);
}

/** Write a text in quotes with all but ASCII escaped. */
export function quoted(text) {
  return JSON.stringify(text).replaceAll(/[^ -~]/gu, escaped);
}

function escaped(letter) {
  return letter.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}

/** Write the marks, joiners and selectors of which a character has too many in another way. */
function limitMarks(run, writeExcess) {
  let counts = {};
  return [...run]
    .map((letter) => {
      const kind = Object.keys(MOST).find((name) => MOST[name].letters.test(letter));
      if (!kind) {
        counts = {};
        return letter;
      }

      counts[kind] = (counts[kind] ?? 0) + 1;
      return counts[kind] > MOST[kind].count ? writeExcess(letter) : letter;
    })
    .join("");
}

function write(format, time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : format.format(date);
}
