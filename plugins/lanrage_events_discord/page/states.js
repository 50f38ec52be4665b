// The states and the figures of lanes, in words.

const STATES = {
  unconfigured: ["Not set up", "neutral"],
  idle: ["Ready", "good"],
  gathering: ["Gathering", "good"],
  sending: ["Sending", "good"],
  holding: ["Quiet", "neutral"],
  waiting: ["Waiting for Discord’s rate limit", "warn"],
  retrying: ["Retrying", "warn"],
  dead: ["Not working", "bad"],
};

/** Return the words and the tone for a state. */
export function stateWords(state) {
  return STATES[state] ?? [state, "neutral"];
}

// What is quiet is named beside the others, see leadWords() in page.js.
const WORST_FIRST = ["dead", "retrying", "waiting", "sending", "gathering", "idle", "holding"];
const MEANWHILE = { hold: "What happens is posted at the end.", silent: "Messages arrive silently.", drop: "What happens is not posted." };

/** Return the lanes that have a webhook. */
export function lanesInUse(status) {
  return status.lanes.filter(({ state }) => state !== "unconfigured");
}

/** Return how Discord is as a whole: the lane that needs a look most, null if there is none. */
export function worstLane(status) {
  const rank = ({ state }) => (WORST_FIRST.includes(state) ? WORST_FIRST.indexOf(state) : WORST_FIRST.length);
  return lanesInUse(status).sort((one, other) => rank(one) - rank(other))[0] ?? null;
}

/** Return what happens while something is quiet. */
export function meanwhile({ then }) {
  return MEANWHILE[then];
}

/** Return why a lane is quiet if nothing else is the reason of its state, by this browser's clock; else "". */
export function quietWords(words, { quiet, reason }) {
  if (!quiet || reason !== quiet.why) {
    return "";
  }

  const until = quiet.until === null ? "" : ` until ${words.dayAndClock(quiet.until)}`;
  return `${quiet.muted ? "Quiet" : "Quiet hours"}${until}. ${meanwhile(quiet)}`;
}

/** Numbers with titles, which change while they are looked at. */
export class Figures {
  constructor(host, titles) {
    this.host = host;
    const { element } = host;
    this.numbers = Object.keys(titles).map((key) => [key, element("dd", {})]);
    this.node = element("dl", { class: "stats" }, this.numbers.map(([key, node]) => element("div", {}, element("dt", {}, titles[key]), node)));
  }

  show(values) {
    for (const [key, node] of this.numbers) {
      this.host.setText(node, this.host.words.count(values[key]));
    }
  }
}

/** A badge whose words change while it is looked at. */
export class LiveBadge {
  constructor(host) {
    this.host = host;
    this.node = host.badge("…");
  }

  set(text, tone) {
    this.host.setText(this.node, text);
    const name = `badge badge-${tone}`;
    if (this.node.className !== name) {
      this.node.className = name;
    }
  }
}

/** Return what a user waits for after a test message that was not delivered. */
export function waitHint(words, seconds) {
  return seconds > 0
    ? `Discord lets this webhook send again in ${words.duration(seconds)}. Waiting events are sent automatically; test again after that.`
    : "Discord lets this webhook send again: test again.";
}

/** Return what to do about a test message that was not delivered. */
export function hint({ status, reason }) {
  if (status === 404 || status === 401) {
    return "Press Copy Webhook URL in Discord, of a new webhook if necessary, and replace the URL above.";
  }

  if (status === 403) {
    return "Discord does not allow this webhook to post there. Look at the permissions of the channel, or create the webhook again.";
  }

  if (status === 400) {
    return /thread|forum|tag/i.test(reason)
      ? "The channel needs a thread: choose another channel for the webhook, or give thread_name or thread_id in the configuration."
      : "Discord rejected the message. The reason above says why.";
  }

  if (status >= 500) {
    return "Discord has problems at the moment. Events are kept and sent later; see discordstatus.com.";
  }

  return "Discord could not be reached. Look at this computer’s internet connection and its firewall, and test again.";
}
