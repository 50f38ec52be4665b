// The page: its sections, and the host object for the scripts of plugins.

import { loadAccess, may, tokenName } from "./access.js";
import { every, request, watchConnection } from "./api.js";
import { confirmation } from "./dialog.js";
import { badge, button, countdown, element, fill, newId, notice, setText } from "./dom.js";
import { mountDelivery } from "./delivery.js";
import { mountFeed } from "./feed.js";
import { fieldsForm } from "./fields.js";
import { mountPlugins } from "./plugins.js";
import { mountPreview } from "./preview.js";
import { mountSessions } from "./sessions.js";
import { openStream } from "./stream.js";
import * as format from "./format.js";

const main = document.getElementById("main");
const navigation = document.getElementById("sections");
const announcements = document.getElementById("announcements");
const connection = document.getElementById("connection");
// A screen for all to see, at /screen or /screen/NAME: it has one part alone, and nobody who clicks.
const screenOf = location.pathname.match(/^\/screen(?:\/([^/]+))?$/);

// How long a plugin may take to say whether it must be set up.
const SETUP_MS = 2000;
// After which a screen that cannot be shown is tried again.
const AGAIN_MS = 5000;

/** @type {{key: string, title: string, mount: (root: Element, view: string) => unknown}[]} */
let sections = [];
let leave = null;
let visits = 0;

/** Have screen readers announce a text. */
function announce(text) {
  // The same text twice would not be a change, and not be announced.
  fill(announcements);
  setTimeout(() => fill(announcements, text), 50);
}

/**
 * Make the host object for a plugin's script.
 *
 * When the section is left, everything that still runs is stopped.
 */
function makeHost({ name, key }, view, stops) {
  const until = (stop) => {
    stops.push(stop);
    if (stops.left) {
      stop();
    }

    return stop;
  };
  return {
    /** the name of the plugin's instance */
    name,
    /** the part of the section that is in the address, "" for the first */
    view,
    /** whether this browser's token allows what a scope stands for: "publish", "read" or "admin" */
    may,
    /** the address of a part of the section, for links */
    href: (part) => `#/${encodeURIComponent(key)}${part ? `/${part}` : ""}`,
    /** send a request to the plugin's API; the path is relative to /api/<name> */
    api: (path, options) => request(`/api/${encodeURIComponent(name)}${path}`, options),
    element,
    fill,
    setText,
    newId,
    badge,
    notice,
    /** a text that counts seconds down, written by a function of the seconds that are left */
    countdown,
    /** a form for the fields of an event, from its JSON Schema */
    fieldsForm,
    words: format,
    announce,
    confirm: confirmation,
    /** call a function for each event of these types; returns what stops it */
    events: (types, onEvent) => until(openStream({ types, onEvent })),
    /** call a function now and every so many milliseconds while visible; returns what stops it */
    every: (milliseconds, call) => until(every(milliseconds, call)),
  };
}

/** Load the scripts of plugins' pages; an error in one does not affect the others. */
async function loadPages(pages) {
  const keys = new Set();
  return Promise.all(
    pages.map(async (page, index) => {
      // A plugin may bring several.
      const key = keys.has(page.name) ? `${page.name}-${index}` : page.name;
      keys.add(key);
      try {
        return { ...page, key, module: await import(page.script) };
      } catch (error) {
        return { ...page, key, error };
      }
    }),
  );
}

/** Return the pages with those first that a user must set up before the plugin does anything. */
async function sortPages(pages) {
  const needs = pages.length > 1 ? await Promise.all(pages.map(needsSetup)) : [false];
  return [true, false].flatMap((wanted) => pages.filter((_, index) => needs[index] === wanted));
}

async function needsSetup(page) {
  const stops = [];
  const late = new Promise((resolve) => setTimeout(resolve, SETUP_MS));
  try {
    return (await Promise.race([page.module?.needsSetup?.(makeHost(page, "", stops)), late])) === true;
  } catch (error) {
    // The section itself says what is wrong.
    return false;
  } finally {
    stops.left = true;
    stops.forEach((stop) => stop());
  }
}

function pageSection(page) {
  return {
    key: page.key,
    title: page.title,
    mount: (root, view) => {
      if (!page.module) {
        root.append(
          element("h1", {}, page.title),
          notice("error", `The page of the plugin “${page.name}” cannot be loaded: ${page.error.message}`),
        );
        return null;
      }

      const stops = [];
      // It may be async.
      const end = page.module.default(root, makeHost(page, view, stops));
      const ended = Promise.resolve(end).catch((error) => fail(root, error));
      return async () => {
        stops.left = true;
        stops.forEach((stop) => stop());
        (typeof end === "function" ? end : await ended)?.();
      };
    },
  };
}

function route() {
  const [, key = "", view = ""] = location.hash.split("/").map(decodeURIComponent);
  return { section: sections.find((section) => section.key === key) ?? sections[0], view };
}

function show() {
  // A link to a place in the page, such as the one that skips the navigation, is not a section.
  if (location.hash && !location.hash.startsWith("#/")) {
    return;
  }

  const { section, view } = route();
  leave?.();
  leave = null;
  visits += 1;
  for (const link of navigation.querySelectorAll("a")) {
    link.ariaCurrent = link.dataset.key === section.key ? "page" : null;
  }

  const root = element("div", { class: "section" });
  fill(main, root);
  document.title = `${section.title} · LANrage events`;
  try {
    leave = section.mount(root, view) ?? null;
  } catch (error) {
    fail(root, error);
  }

  if (visits > 1) {
    const heading = root.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
}

function fail(root, error) {
  console.error(error);
  root.append(notice("error", `This section cannot be shown: ${error.message}`));
}

function showNavigation() {
  fill(
    navigation,
    sections.map(({ key, title }) =>
      element("li", {}, element("a", { href: `#/${encodeURIComponent(key)}`, "data-key": key }, title)),
    ),
  );
}

/** Say why some buttons are missing. */
function showAccess() {
  if (!may("admin")) {
    const what = may("publish") ? "read and publish" : "read";
    fill(document.getElementById("access"), `You are logged in with the token “${tokenName()}”, which may only ${what}. To change something, log in with a token that has the scope admin.`);
  }
}

/** Show the part of a plugin that fills the window. */
async function showScreen(pages, stops) {
  const wanted = screenOf[1] && decodeURIComponent(screenOf[1]);
  const page = pages.find(({ name, module }) => module?.screen && (!wanted || name === wanted));
  if (!page) {
    const what = wanted ? `The plugin “${wanted}” has no screen, or does not run.` : "No plugin has a screen.";
    throw new Error(`${what} To show who is on, add “parties:” below “plugins:” in the configuration.`);
  }

  const root = element("div", { class: "screen-root" });
  fill(main, root);
  document.title = `${page.title} · LANrage events`;
  await page.module.screen(root, makeHost(page, "", stops));
}

/** Begin to show a screen, for as long as it takes. */
async function startScreen() {
  document.documentElement.classList.add("screen");
  document.getElementById("dark").media = "all";
  const stops = [];
  try {
    await loadAccess();
    await showScreen(await loadPages((await request("/api/pages")).pages), stops);
  } catch (error) {
    stops.left = true;
    stops.forEach((stop) => stop());
    fill(main, element("h1", {}, "LANrage events"), element("p", { role: "status" }, error.message));
    setTimeout(startScreen, AGAIN_MS);
  }
}

async function start() {
  let pages;
  let hasLogin = false;
  try {
    await loadAccess();
    const answer = await request("/api/pages");
    hasLogin = answer.login;
    document.getElementById("logout").hidden = !answer.login;
    pages = await sortPages(await loadPages(answer.pages));
  } catch (error) {
    const retry = button("Try again", () => start());
    fill(main, element("h1", {}, "LANrage events"), notice("error", element("p", {}, error.message), retry));
    return;
  }

  sections = [
    ...pages.map(pageSection),
    { key: "feed", title: "Live feed", mount: (root) => mountFeed(root, { announce }) },
    {
      key: "delivery",
      title: "Delivery",
      mount: (root) => mountDelivery(root, { announce, pages, makeHost }),
    },
    { key: "preview", title: "Preview", mount: (root) => mountPreview(root, { pages, makeHost }) },
    { key: "plugins", title: "Plugins", mount: (root) => mountPlugins(root) },
  ];
  if (hasLogin && may("admin")) {
    sections.push({ key: "sessions", title: "Sessions", mount: (root) => mountSessions(root, { announce }) });
  }

  showAccess();
  showNavigation();
  window.addEventListener("hashchange", show);
  show();
}

watchConnection((answers) => {
  document.body.classList.toggle("offline", !answers);
  if (answers) {
    fill(connection);
    announce("lanrage-events answers again.");
  } else {
    fill(connection, `${screenOf ? "Not live: " : ""}lanrage-events does not answer. Trying again…`);
  }
});
(screenOf ? startScreen : start)();
