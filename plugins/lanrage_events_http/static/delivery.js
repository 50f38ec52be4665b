// Delivery: the lanes of plugins, their pending entries and dead letters.

import { may } from "./access.js";
import { every, request } from "./api.js";
import { badge, button, element, fill, sectionHead, setText } from "./dom.js";
import { DeadLetters } from "./dead-letters.js";
import { ago, count, counted, dayAndClock } from "./format.js";
import { Rows } from "./rows.js";

const EVERY_MS = 1000;

/**
 * Show the section.
 *
 * The script of a plugin's page may export two functions for it: `delivery(root, host)` shows its
 * lanes and may return a function that stops it, and `describe(entry)` returns a name for an entry of
 * its outbox, or null.
 */
export function mountDelivery(root, { announce, pages, makeHost }) {
  const stops = [];
  root.append(sectionHead("Delivery", "What has been sent, what waits, and what could not be delivered."));
  for (const page of pages) {
    if (typeof page.module?.delivery === "function") {
      const part = element("div", {});
      root.append(part);
      const end = page.module.delivery(part, makeHost(page, "", stops));
      if (typeof end === "function") {
        stops.push(end);
      }
    }
  }

  const outboxes = element("div", { class: "stack" });
  root.append(outboxes);
  /** @type {Map<string, ReturnType<typeof outboxCard>>} */
  const cards = new Map();
  const empty = element("p", { class: "muted" }, "No plugin keeps an outbox at the moment.");
  stops.push(
    every(EVERY_MS, async () => {
      const answer = await request("/api/outbox");
      for (const [name, card] of cards) {
        if (!answer.outboxes.some(({ plugin }) => plugin === name)) {
          card.node.remove();
          cards.delete(name);
        }
      }

      for (const outbox of answer.outboxes) {
        if (!cards.has(outbox.plugin)) {
          const page = pages.find(({ name, module }) => name === outbox.plugin && module?.describe);
          cards.set(outbox.plugin, outboxCard(outbox.plugin, announce, page?.module.describe ?? (() => null)));
          outboxes.append(cards.get(outbox.plugin).node);
        }

        cards.get(outbox.plugin).update(outbox);
      }

      if (cards.size === 0) {
        fill(outboxes, empty);
      } else {
        empty.remove();
      }
    }),
  );
  return () => stops.forEach((stop) => stop());
}

function outboxCard(plugin, announce, describe) {
  const summary = element("p", { class: "muted" });
  const problem = element("p", { class: "lane-error" });
  const lanes = element("ul", { class: "lanes" });
  const letters = new DeadLetters(plugin, announce, describe);
  const node = element(
    "section",
    { class: "card", tabindex: "-1", "aria-label": `Outbox of ${plugin}` },
    element("div", { class: "card-head" }, element("h2", {}, "Outbox of ", element("bdi", {}, plugin)), summary),
    problem,
    lanes,
    letters.node,
  );
  const rows = new Rows(lanes, ({ name }) => name, ({ name }) => laneRow(name, () => retry(name)));
  async function retry(lane) {
    try {
      await request(`/api/outbox/${encodeURIComponent(plugin)}/retry`, { method: "POST", body: { lane } });
      announce(`${lane} is tried again.`);
    } catch (problem) {
      announce(problem.detail ?? String(problem));
    }

    node.focus();
  }

  return {
    node,
    update(outbox) {
      setText(
        summary,
        `${count(outbox.pending)} waiting, ${counted(outbox.dead, "dead letter")}` +
          (outbox.oldest ? `, the oldest from ${ago(outbox.oldest)}` : ""),
      );
      setText(problem, outbox.problem ?? "");
      letters.update(outbox.dead);
      rows.show(outbox.lanes.filter((lane) => lane.pending > 0 || lane.dead > 0 || lane.last_error));
    },
  };
}

function laneRow(name, retry) {
  const waiting = badge("");
  const dead = badge("", "bad");
  const note = element("span", { class: "muted" });
  const retryNow = button("Retry now", retry, { kind: "button-quiet", "aria-label": `Retry ${name} now` });
  const problem = element("span", { class: "lane-error" });
  const node = element("li", { class: "lane-line" }, element("strong", {}, element("bdi", {}, name)), waiting, dead, note, retryNow, problem);
  return {
    node,
    update(lane) {
      const isDeferred = lane.postponed_until && new Date(lane.postponed_until) > new Date();
      waiting.className = `badge badge-${lane.pending ? "info" : "neutral"}`;
      setText(waiting, `${count(lane.pending)} waiting`);
      dead.hidden = !lane.dead;
      setText(dead, counted(lane.dead, "dead letter"));
      note.hidden = !isDeferred && !lane.until_resumed;
      setText(note, lane.until_resumed ? "stopped until you retry it" : isDeferred ? `deferred until ${dayAndClock(lane.postponed_until)}` : "");
      retryNow.hidden = !may("admin") || !(lane.until_resumed || lane.postponed_until);
      problem.hidden = !lane.last_error;
      setText(problem, lane.last_error ?? "");
    },
  };
}
