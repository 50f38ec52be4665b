// What the states of a lane mean to whoever looks at them.

const STATES = {
  unconfigured: ["Not set up", "neutral"],
  idle: ["Ready", "good"],
  gathering: ["Gathering", "good"],
  sending: ["Sending", "good"],
  waiting: ["Waiting for Discord’s rate limit", "warn"],
  retrying: ["Retrying", "warn"],
  dead: ["Not working", "bad"],
};

/** Return the words and the tone for a state. */
export function stateWords(state) {
  return STATES[state] ?? [state, "neutral"];
}

const WORST_FIRST = ["dead", "retrying", "waiting", "sending", "gathering", "idle"];

/** Return the lanes that have a webhook. */
export function lanesInUse(status) {
  return status.lanes.filter(({ state }) => state !== "unconfigured");
}

/** Return how Discord is as a whole: the lane that needs a look most, null if there is none. */
export function worstLane(status) {
  const rank = ({ state }) => (WORST_FIRST.includes(state) ? WORST_FIRST.indexOf(state) : WORST_FIRST.length);
  return lanesInUse(status).sort((one, other) => rank(one) - rank(other))[0] ?? null;
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

/** Say what can be done about a test message that was not delivered. */
export function hint({ status, retry_after: retryAfter, reason }) {
  if (retryAfter !== null && retryAfter !== undefined) {
    return `Discord lets this webhook send again in about ${Math.ceil(retryAfter)} seconds. What waits is sent by itself; test again after that.`;
  }

  if (status === 404 || status === 401) {
    return "Press Copy Webhook URL in Discord, if need be of a new webhook, and replace the URL above.";
  }

  if (status === 403) {
    return "Discord does not allow this webhook to post there. Look at the permissions of the channel, or create the webhook again.";
  }

  if (status === 400) {
    return /thread|forum|tag/i.test(reason)
      ? "The channel wants a thread: choose another channel for the webhook, or give thread_name or thread_id in the configuration."
      : "Discord does not take the message as it is. The reason above says what it does not like.";
  }

  if (status === 429) {
    return "Discord’s rate limit is used up. Wait a moment and test again.";
  }

  if (status !== null && status >= 500) {
    return "Discord has trouble at the moment. Events are kept and sent when it is over; see discordstatus.com.";
  }

  return "Discord could not be reached. Look at this computer’s internet connection and its firewall, and test again.";
}
