// The step of the setup that sends a test message.

import { DELIVERED, outcomeNotice } from "./outcome.js";
import { LiveBadge, lanesInUse } from "./states.js";

/** One real message, and its outcome. */
export class TestCard {
  constructor(host, number, refresh) {
    this.host = host;
    this.refresh = refresh;
    this.lanes = "";
    const { element, newId } = host;
    const id = newId("test");
    const selectId = newId("lane");
    this.about = element("p", {});
    this.button = element("button", { class: "button", type: "button", onclick: () => this.send() }, "Send a test message");
    this.select = element("select", { class: "input", id: selectId });
    this.choice = element("div", { class: "field", hidden: true }, element("label", { for: selectId }, "Webhook"), this.select);
    this.result = element("div", { class: "result" });
    this.badge = new LiveBadge(host);
    this.node = element(
      "li",
      { class: "step card", "aria-labelledby": id, "data-step": "test" },
      element("div", { class: "step-number", "aria-hidden": "true" }, number),
      element(
        "div",
        { class: "step-content" },
        element("div", { class: "step-head" }, element("h2", { id }, "Send a test message"), this.badge.node),
        element("div", { class: "step-body" }, this.about, this.choice, element("div", { class: "actions" }, this.button), this.result),
      ),
    );
    this.badge.set("Not tested", "neutral");
  }

  show(status) {
    const { element, fill } = this.host;
    const lanes = lanesInUse(status).map(({ name }) => name);
    const possible = lanes.length > 0;
    this.possible = possible;
    this.works = status.state !== "dead";
    this.button.disabled = !possible;
    this.button.hidden = !this.host.may("admin");
    this.#showCurrent();
    this.host.setText(
      this.about,
      this.button.hidden ? "A token with the scope admin may send one real message to the channel." : possible ? "One real message goes to the channel, and Discord’s answer is shown here." : "Connect a channel first.",
    );
    this.choice.hidden = lanes.length < 2 || this.button.hidden;
    if (lanes.join("\n") !== this.lanes) {
      this.lanes = lanes.join("\n");
      const chosen = this.select.value;
      fill(this.select, lanes.map((name) => element("option", { value: name, selected: name === chosen }, name)));
    }
  }

  /** Make the test the next step. */
  begin() {
    this.clear();
    this.button.focus();
  }

  clear() {
    this.host.fill(this.result);
    this.badge.set("Not tested", "neutral");
    this.node.classList.remove("step-done");
    this.#showCurrent();
  }

  #showCurrent() {
    const isNext = this.possible && this.works && !this.node.classList.contains("step-done");
    this.node.classList.toggle("step-current", isNext);
    this.button.classList.toggle("button-primary", isNext);
  }

  async send() {
    if (this.sending) {
      return;
    }

    this.sending = true;
    this.button.setAttribute("aria-disabled", "true");
    this.host.setText(this.button, "Sending…");
    this.host.fill(this.result);
    try {
      const webhook = this.choice.hidden ? null : this.select.value;
      this.#showOutcome(await this.host.api("/test", { method: "POST", body: { webhook } }));
    } catch (problem) {
      this.badge.set("Failed", "bad");
      this.host.fill(this.result, this.host.notice("error", problem.detail ?? String(problem)));
    } finally {
      this.sending = false;
      this.button.removeAttribute("aria-disabled");
      this.host.setText(this.button, "Send a test message");
    }

    await this.refresh().catch(() => {});
  }

  #showOutcome(outcome) {
    this.node.classList.toggle("step-done", outcome.delivered);
    this.#showCurrent();
    this.badge.set(...(outcome.delivered ? ["Delivered", "good"] : ["Not delivered", "bad"]));
    if (outcome.delivered) {
      this.host.announce(DELIVERED);
    }

    this.host.fill(this.result, outcomeNotice(this.host, outcome));
  }
}
