// What became of a test message.

import { hint, waitHint } from "./states.js";

export const DELIVERED = "Delivered. Look at the channel: the message is there.";

/** Make a message on the outcome of a test. */
export function outcomeNotice(host, outcome) {
  const { countdown, element, notice, words } = host;
  const wait = outcome.retry_after;
  if (outcome.delivered) {
    return notice(
      "good",
      element("p", {}, element("strong", {}, "Delivered."), " Look at the channel: the message is there."),
      outcome.message_id ? element("p", { class: "muted" }, "Message ", element("code", {}, outcome.message_id)) : null,
    );
  }

  return notice(
    "error",
    element("p", {}, element("strong", {}, "Not delivered."), ` ${words.sentence(outcome.reason)}`),
    element("p", {}, wait === null ? hint(outcome) : countdown(wait, (left) => waitHint(words, left))),
  );
}
