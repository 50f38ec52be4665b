// Confirmation before something is lost.

import { element, newId } from "./dom.js";

/**
 * Ask before something that cannot be undone.
 *
 * @param {string} question the heading
 * @param {string} detail what will happen
 * @param {string} verb the label of the button that does it
 * @returns {Promise<boolean>} whether the user confirmed it
 */
export function confirmation(question, detail, verb) {
  return new Promise((resolve) => {
    const heading = newId("question");
    const text = newId("detail");
    const dialog = element(
      "dialog",
      { class: "dialog", "aria-labelledby": heading, "aria-describedby": text },
      element(
        "form",
        { method: "dialog" },
        element("h2", { id: heading }, question),
        element("p", { id: text }, detail),
        element(
          "div",
          { class: "actions actions-end" },
          element("button", { class: "button", value: "no", autofocus: true }, "Cancel"),
          element("button", { class: "button button-danger", value: "yes" }, verb),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
