// Numbers and times as people read them.

const COUNT = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY_AND_CLOCK = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

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

/** Write a value as indented JSON, with invisible and text-direction characters escaped. */
export function json(value) {
  return JSON.stringify(value, null, 2).replaceAll(
    /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function write(format, time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : format.format(date);
}
