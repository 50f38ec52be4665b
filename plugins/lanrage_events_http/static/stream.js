// The live feed of the server, which is opened again when the connection is lost.

import { Problem, request } from "./api.js";

const RETRY_SECONDS = [1, 2, 5, 10, 30];
// An id that no event has, so that all past events come first.
const EVERYTHING = "0";

/** Return the event types, each with its description and JSON Schema. */
export async function eventTypes() {
  return (await request("/api/events/types")).types;
}

/**
 * Receive events as they are published, while the page is visible.
 *
 * A browser has few connections to one server for all of its tabs, so a hidden page closes its own.
 * When it is visible again, it receives the events that the server still remembers.
 *
 * @param {object} options
 * @param {string[]} options.types types or base types; all if there are none
 * @param {(event: object) => void} options.onEvent
 * @param {(state: {connected: boolean, reason: string}) => void} [options.onState]
 * @param {(what: string) => void} [options.onGap] when events are missing
 * @param {boolean} [options.past] whether to begin with the past events that the server remembers
 * @returns {() => void} a function that stops it
 */
export function openStream({ types, onEvent, onState = () => {}, onGap = () => {}, past = false }) {
  let source = null;
  let timer = null;
  let stopped = false;
  let failures = 0;
  let attempt = 0;
  let lastId = past ? EVERYTHING : null;
  let isOpen = false;

  async function open() {
    clearTimeout(timer);
    source?.close();
    if (document.hidden) {
      return;
    }

    attempt += 1;
    const current = attempt;
    let known;
    try {
      // The name of each event is its type, and a browser needs a listener for each name.
      known = (await eventTypes()).map(({ type }) => type);
    } catch (error) {
      again(error instanceof Problem ? error.detail : String(error));
      return;
    }

    if (stopped || document.hidden || current !== attempt) {
      return;
    }

    const query = new URLSearchParams(types.map((type) => ["type", type]));
    if (lastId !== null) {
      query.set("last_event_id", lastId);
    }

    source = new EventSource(`/api/events/stream?${query}`);
    source.onopen = () => {
      failures = 0;
      isOpen = true;
      onState({ connected: true, reason: "" });
    };
    source.onerror = () => {
      source.close();
      const wasOpen = isOpen;
      isOpen = false;
      again(wasOpen ? "The connection was lost." : "The live feed is not available, perhaps because it has too many clients.");
    };
    for (const type of new Set(known)) {
      source.addEventListener(type, (message) => {
        lastId = message.lastEventId || lastId;
        onEvent(JSON.parse(message.data));
      });
    }

    source.addEventListener("overrun", (message) => {
      lastId = message.lastEventId;
      onGap("This page was too slow: events are missing here.");
    });
    source.addEventListener("gap", (message) => {
      const isFirst = lastId === EVERYTHING;
      lastId = message.lastEventId;
      // A new client has missed nothing.
      if (!isFirst) {
        onGap("The connection was gone for too long: events are missing here.");
      }
    });
  }

  function again(reason) {
    if (stopped) {
      return;
    }

    const seconds = RETRY_SECONDS[Math.min(failures, RETRY_SECONDS.length - 1)];
    failures += 1;
    onState({ connected: false, reason });
    timer = setTimeout(open, seconds * 1000);
  }

  document.addEventListener("visibilitychange", open);
  open();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", open);
    clearTimeout(timer);
    source?.close();
  };
}
