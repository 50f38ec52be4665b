// What is known about webhooks, in words.

/** Return who posts and where, as far as that is known. */
export function describeWebhook(host, { discord, discord_reason: reason, ...webhook }) {
  const { element, words } = host;
  if (webhook.posts_as) {
    return ["Posts as ", element("strong", {}, element("bdi", {}, webhook.posts_as)), describeChannel(host, webhook), "."];
  }

  return {
    pending: "Discord is being asked what it is named and where it posts…",
    unreachable: `Discord cannot be asked at the moment what it is named and where it posts. ${words.sentence(reason)}`,
    rejected: "Discord does not have this webhook.",
    found: "It has no name in Discord.",
  }[discord];
}

/** Return the channel of a webhook. */
export function describeChannel(host, { channel_id: channel, channel_url: url }) {
  if (!channel) {
    return null;
  }

  const id = host.element("code", {}, channel);
  return [" in ", url ? host.element("a", { href: url, target: "_blank", rel: "noreferrer" }, "channel ", id) : ["channel ", id]];
}

/** Return a place in the configuration, such as "lanrage.yaml, line 8". */
export function describePlace(host, place) {
  const [file, line] = splitPlace(place);
  return file ? [host.element("code", {}, file), line ? `, line ${line}` : ""] : "the configuration";
}

/** Split a place into the file and the line, which is null if it has none. */
function splitPlace(place) {
  const match = /^(.*?):(\d+)(?::\d+)?$/.exec(place ?? "");
  return match ? [match[1], match[2]] : [place, null];
}
