// Checks a URL as the user types. The server has the last word.

const DISCORD_HOST = /^(?:(?:ptb|canary)\.)?discord(?:app)?\.com$/;
const INVITE_HOST = "discord.gg";
// Discord does not state how long a token is; those seen have 68 characters.
const TOKEN_USUAL_LENGTH = 68;

/**
 * What is known about a URL.
 *
 * @typedef {{tone: "empty" | "good" | "warn" | "error", text: string}} Finding
 */

/** @returns {Finding} what to say about the URL of a webhook */
export function checkWebhookUrl(text) {
  return check(text, "https://discord.com/api/webhooks/…", checkWebhook);
}

/** @returns {Finding} what to say about the URL of an invite */
export function checkInviteUrl(text) {
  return check(text, "https://discord.gg/…", checkInvite);
}

function checkWebhook({ host, pathname }) {
  if (host === INVITE_HOST || (DISCORD_HOST.test(host) && pathname.startsWith("/invite/"))) {
    return error("This is an invite. A webhook's URL comes from Copy Webhook URL in the channel's or server's settings.");
  }

  if (DISCORD_HOST.test(host) && pathname.startsWith("/channels/")) {
    return error("This is the link of a channel or a message. Create a webhook for the channel and press Copy Webhook URL.");
  }

  const match = /^\/api(?:\/v\d{1,3})?\/webhooks(?:\/([^/]*)(?:\/(.*))?)?$/.exec(pathname);
  if (!match) {
    return DISCORD_HOST.test(host)
      ? error("This leads to Discord, but not to a webhook. Press Copy Webhook URL and paste it again.")
      : error(`This does not lead to Discord: its host is ${host}, expected discord.com.`);
  }

  const [, id = "", rest = ""] = match;
  if (!/^\d{1,20}$/.test(id)) {
    return error("The number of the webhook is missing: after /webhooks/ come up to 20 digits.");
  }

  const [token, ...more] = rest.split("/");
  if (!token) {
    return error("The token is missing: it is the long text after the number. Copy the whole URL again.");
  }

  if (!/^[A-Za-z0-9_-]+$/.test(token)) {
    return error("The token has characters that no token has. Copy the whole URL again.");
  }

  if (more.join("/")) {
    return error("The URL goes on after its token. Remove what follows it, such as /slack or /github.");
  }

  if (!DISCORD_HOST.test(host)) {
    return warn(`This does not lead to Discord but to ${host}. Only save it if that host is allowed in the configuration.`);
  }

  if (token.length < TOKEN_USUAL_LENGTH) {
    return warn(`The token looks cut off: it has ${token.length} characters, usually there are ${TOKEN_USUAL_LENGTH}. Copy the whole URL again.`);
  }

  return { tone: "good", text: "This looks like a whole webhook URL." };
}

function checkInvite({ host, pathname }) {
  if (pathname.includes("/webhooks/")) {
    return error("This is a webhook's URL, which is a secret and not an invite. The invite comes from Invite People.");
  }

  if (DISCORD_HOST.test(host) && pathname.startsWith("/channels/")) {
    return error("This is the link of a channel. Right-click the voice channel and choose Invite People.");
  }

  if (host !== INVITE_HOST && !DISCORD_HOST.test(host)) {
    return error(`This does not lead to Discord: its host is ${host}, expected discord.gg.`);
  }

  const path = pathname.replace(/\/$/, "");
  if (host !== INVITE_HOST && path !== "/invite" && path !== "" && !path.startsWith("/invite/")) {
    return error("This leads to Discord, but it is not an invite. An invite looks like https://discord.gg/abc123.");
  }

  const code = path.replace(/^\/invite/, "").replace(/^\//, "");
  if (!code) {
    return error("The code of the invite is missing. Copy the link again with Invite People.");
  }

  if (!/^[A-Za-z0-9_-]{1,100}$/.test(code)) {
    return error("The code has characters that no invite has: letters, digits and hyphens are expected.");
  }

  return { tone: "good", text: "This looks like an invite." };
}

function check(text, example, checkParts) {
  const url = text.trim();
  if (!url) {
    return { tone: "empty", text: "" };
  }

  if (/\s/.test(url)) {
    return error("There is a space or a line break in it. Was more than the URL copied?");
  }

  if (!/^https?:\/\//i.test(url)) {
    return error(`It must begin with https://, as in ${example}`);
  }

  let parts;
  try {
    parts = new URL(url);
  } catch {
    return error(`It cannot be read as a URL. Expected ${example}`);
  }

  if (parts.protocol === "http:" && (DISCORD_HOST.test(parts.host) || parts.host === INVITE_HOST)) {
    return error("It must begin with https://, not with http://");
  }

  const isDiscord = DISCORD_HOST.test(parts.hostname) || parts.hostname === INVITE_HOST;
  // As it was written: a browser leaves the usual port out.
  const written = /^[^/]*\/\/([^/?#]*)/.exec(url)?.[1] ?? "";
  if (written.includes("@")) {
    return error("There is a user name before the host, which Discord’s URLs never have.");
  }

  if (isDiscord && written.includes(":")) {
    return error("There is a port after the host, which Discord’s URLs never have.");
  }

  return checkParts(parts);
}

function error(text) {
  return { tone: "error", text };
}

function warn(text) {
  return { tone: "warn", text };
}
