// Makes markdown.json again from its own texts, by an independent implementation of Discord's markdown:
//   npm install discord-markdown-parser@1.3.1 && node make_table.js
"use strict";

const fs = require("fs");
const path = require("path");
const { parse } = require("discord-markdown-parser");

const TABLE = path.join(__dirname, "markdown.json");
const STYLES = {
  blockQuote: "QUOTE",
  em: "ITALIC",
  heading: "HEADING",
  link: "LINK",
  autolink: "LINK",
  url: "LINK",
  spoiler: "SPOILER",
  strikethrough: "STRIKE",
  strong: "BOLD",
  subtext: "SMALL",
  underline: "UNDERLINE",
};
const LEAVES = {
  text: (node) => [node.content],
  br: () => ["\n"],
  newline: () => ["\n"],
  inlineCode: (node) => [node.content, "CODE"],
  codeBlock: (node) => [node.content, "CODE"],
  emoji: (node) => [`:${node.name}:`],
  twemoji: (node) => [node.name],
  user: (node) => [`<@${node.id}>`, "MENTION"],
  role: (node) => [`<@&${node.id}>`, "MENTION"],
  channel: (node) => [`<#${node.id}>`, "MENTION"],
  everyone: () => ["@everyone", "MENTION"],
  here: () => ["@here", "MENTION"],
  timestamp: () => ["<t>", "MENTION"],
};

function flatten(nodes, styles, pieces) {
  for (const node of nodes) {
    const style = STYLES[node.type];
    if (style) {
      flatten(node.content, [...styles, style], pieces);
      if (style === "HEADING" || style === "SMALL") put(pieces, "\n", styles);
    } else {
      const [text, own] = LEAVES[node.type](node);
      put(pieces, text, own ? [...styles, own] : styles);
    }
  }
  return pieces;
}

function put(pieces, text, styles) {
  const sorted = [...new Set(styles)].sort();
  const last = pieces.at(-1);
  if (last && last[1].join() === sorted.join()) last[0] += text;
  else pieces.push([text, sorted]);
}

const rows = JSON.parse(fs.readFileSync(TABLE, "utf8"));
const made = rows.map(([text]) => JSON.stringify([text, flatten(parse(text, "extended"), [], [])]));
fs.writeFileSync(TABLE, `[\n${made.join(",\n")}\n]\n`);
