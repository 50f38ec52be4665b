// A form with one URL, which is checked as the user types.

/**
 * Make the form.
 *
 * @param {object} host what the page offers
 * @param {object} options
 * @param {string} options.label what the field is called
 * @param {string} options.example shown in the empty field
 * @param {(text: string) => {tone: string, text: string}} options.check what to say about a text
 * @param {(url: string, offline: boolean) => Promise<void>} options.save rejects with a Problem
 * @param {boolean} [options.secret] whether the text is hidden until the user shows it
 * @param {() => void} options.saved called when the URL is saved, and the form empty
 * @param {() => void} options.cancel called when the user leaves the form, which is empty then
 */
export function urlForm(host, { label, example, check, save, saved, cancel, secret = false }) {
  const { element, fill, newId } = host;
  const [inputId, messageId] = [newId("url"), newId("message")];
  const input = element("input", {
    id: inputId,
    class: secret ? "input secret" : "input",
    type: "text",
    inputmode: "url",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: example,
    "aria-describedby": messageId,
    oninput: edited,
  });
  const message = element("p", { id: messageId, class: "field-message", "aria-live": "polite" });
  const result = element("div", { class: "result" });
  const button = element("button", { class: "button", type: "submit" }, "Save");
  const leave = element("button", { class: "button button-quiet", type: "button", hidden: true, onclick: discard }, "Cancel");
  const reveal = secret
    ? element("button", { class: "button button-quiet reveal", type: "button", "aria-pressed": "false", hidden: true, onclick: toggle }, "Show")
    : null;
  const form = element(
    "form",
    { class: "url-form", novalidate: true, onsubmit: submit },
    element("label", { for: inputId }, label),
    element("div", { class: "field-line" }, input, reveal),
    message,
    result,
    element(
      "div",
      { class: "actions" },
      button,
      leave,
    ),
  );
  let isSaving = false;

  function edited() {
    say(check(input.value));
    if (reveal) {
      reveal.hidden = input.value === "";
    }
  }

  function say({ tone, text }) {
    message.className = `field-message field-${tone}`;
    host.setText(message, text);
    if (tone === "error") {
      input.setAttribute("aria-invalid", "true");
    } else {
      input.removeAttribute("aria-invalid");
    }
  }

  function toggle() {
    const shown = input.classList.toggle("secret-shown");
    reveal.setAttribute("aria-pressed", String(shown));
    host.setText(reveal, shown ? "Hide" : "Show");
  }

  function submit(event) {
    event.preventDefault();
    fill(result);
    const finding = check(input.value);
    if (finding.tone === "empty") {
      say({ tone: "error", text: "Paste the URL here first." });
    } else {
      say(finding);
    }

    if (finding.tone === "empty" || finding.tone === "error") {
      input.focus();
      return;
    }

    send(false);
  }

  async function send(offline) {
    if (isSaving) {
      return;
    }

    if (result.contains(document.activeElement)) {
      input.focus();
    }

    fill(result);
    setSaving(true);
    try {
      await save(input.value.trim(), offline);
      input.value = "";
    } catch (problem) {
      setSaving(false);
      showProblem(problem);
      return;
    }

    setSaving(false);
    saved();
  }

  /** What is typed while the URL is saved would be lost with it. */
  function setSaving(now) {
    isSaving = now;
    input.readOnly = now;
    button.disabled = now;
    leave.disabled = now;
    host.setText(button, now ? "Saving…" : "Save");
  }

  function discard() {
    input.value = "";
    cancel();
  }

  function showProblem(problem) {
    if (problem.status === 503) {
      fill(
        result,
        host.notice(
          "error",
          element("p", {}, problem.detail),
          element("button", { class: "button", type: "button", onclick: () => send(true) }, "Save without asking Discord"),
        ),
      );
      return;
    }

    if (problem.status === 422) {
      say({ tone: "error", text: problem.errors?.[0]?.message ?? problem.detail });
      input.focus();
      return;
    }

    fill(result, host.notice("error", problem.detail ?? String(problem)));
  }

  return {
    node: form,
    focus: () => input.focus(),
    /** Whether it holds something that must not be lost. */
    isInUse: () => isSaving || input.value.trim() !== "",
    /** @param {{canBeLeft: boolean, isMain: boolean}} now whether its button is the main one of the page */
    adapt({ canBeLeft, isMain }) {
      leave.hidden = !canBeLeft;
      button.classList.toggle("button-primary", isMain);
    },
  };
}
