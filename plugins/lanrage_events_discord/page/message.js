// A message drawn much as Discord draws it. Its text comes from others, and is only set as text.

const FIELDS_IN_A_ROW = 3;
const BUTTONS_IN_A_ROW = 5;

/** Draw a message of a preview. */
export function drawMessage(host, { body, content, embeds, buttons }) {
  const { element } = host;
  const name = body.username || "LANrage";
  return [
    element("span", { class: "d-avatar", "aria-hidden": "true" }, [...name][0].toUpperCase()),
    element(
      "div",
      { class: "d-main" },
      element(
        "div",
        { class: "d-head" },
        element("span", { class: "d-name" }, element("bdi", {}, name)),
        element("span", { class: "d-app" }, "APP"),
        element("span", { class: "d-time" }, `Today at ${time(new Date())}`),
        body.thread_name
          ? element("span", { class: "d-time" }, "in ", element("bdi", {}, body.thread_name))
          : null,
      ),
      body.avatar_url ? element("div", { class: "d-image" }, "picture: ", element("bdi", {}, body.avatar_url)) : null,
      content.length ? element("div", { class: "d-content" }, content.map((span) => drawSpan(host, span))) : null,
      embeds.map((embed) => drawEmbed(host, embed)),
      drawButtons(host, buttons),
    ),
  ];
}

/** Draw buttons, which open nothing here. */
function drawButtons(host, buttons) {
  const { element } = host;
  const rows = [];
  for (let first = 0; first < buttons.length; first += BUTTONS_IN_A_ROW) {
    const row = buttons.slice(first, first + BUTTONS_IN_A_ROW);
    rows.push(element("ul", { class: "d-buttons" }, row.map(({ label, url }) => element("li", { class: "d-button", title: url }, element("bdi", {}, label), " ↗"))));
  }

  return rows;
}

function drawEmbed(host, embed) {
  const { element } = host;
  const bar = element("div", { class: "d-bar" });
  if (embed.color) {
    bar.style.setProperty("--bar", embed.color);
  }

  const text = (spans) => spans.map((span) => drawSpan(host, span));
  return element(
    "article",
    { class: "d-embed", "aria-label": "Embed" },
    bar,
    element(
      "div",
      { class: "d-body" },
      embed.author ? element("div", { class: "d-author" }, embed.author.icon_url ? picture(host, "d-icon") : null, element("bdi", {}, embed.author.name)) : null,
      embed.title.length ? element("div", { class: embed.url ? "d-title d-link" : "d-title" }, text(embed.title)) : null,
      embed.description.length ? element("div", { class: "d-description" }, text(embed.description)) : null,
      embed.fields.length ? element("div", { class: "d-fields" }, drawFields(host, embed.fields, text)) : null,
      embed.image ? element("div", { class: "d-image" }, "picture: ", element("bdi", {}, embed.image)) : null,
      drawFooter(host, embed),
    ),
    embed.thumbnail ? picture(host, "d-thumbnail") : null,
  );
}

function drawFields(host, fields, text) {
  const { element } = host;
  const rows = [];
  for (const field of fields) {
    const row = rows.at(-1);
    if (field.inline && row?.inline && row.fields.length < FIELDS_IN_A_ROW) {
      row.fields.push(field);
    } else {
      rows.push({ inline: field.inline, fields: [field] });
    }
  }

  return rows.flatMap((row) =>
    row.fields.map((field) =>
      element(
        "div",
        { class: row.inline ? `d-field d-of-${row.fields.length}` : "d-field" },
        element("div", { class: "d-field-name" }, text(field.name)),
        element("div", { class: "d-field-value" }, text(field.value)),
      ),
    ),
  );
}

function drawFooter(host, embed) {
  const { element } = host;
  const at = embed.timestamp ? when(embed.timestamp) : "";
  const text = embed.footer?.text ?? "";
  if (!text && !at) {
    return null;
  }

  return element(
    "div",
    { class: "d-footer" },
    embed.footer?.icon_url ? picture(host, "d-icon") : null,
    element("span", {}, element("bdi", {}, text), text && at ? " • " : "", at),
  );
}

function drawSpan(host, { text, styles }) {
  return styles.length === 0 ? text : host.element("span", { class: styles.map((style) => `s-${style}`).join(" ") }, text);
}

/** A placeholder for a picture, which is not fetched: this page contacts no other host. */
function picture(host, kind) {
  return host.element("span", { class: `${kind} d-no-picture`, "aria-hidden": "true" });
}

function when(timestamp) {
  const date = new Date(timestamp);
  const today = date.toDateString() === new Date().toDateString();
  return today ? `Today at ${time(date)}` : `${date.toLocaleDateString()} ${time(date)}`;
}

function time(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
