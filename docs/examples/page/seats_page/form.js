/** Make the form that gives a seat to a player. */
export function seatForm(host, show) {
  const { element, fill, notice, words } = host;
  const player = element("input", { class: "input", id: host.newId(), required: true });
  const number = element("input", { class: "input", id: host.newId(), inputmode: "numeric" });
  const result = element("div", { class: "result" });
  return element(
    "form",
    { class: "card stack", onsubmit: save },
    element("label", { for: player.id }, "Player"),
    player,
    element("label", { for: number.id }, "Seat"),
    number,
    element("button", { class: "button button-primary", type: "submit" }, "Take the seat"),
    result,
  );

  async function save(event) {
    event.preventDefault();
    const seat = { player: player.value, number: Number(number.value) };
    try {
      show(await host.api("/hall", { method: "POST", body: seat }));
      fill(result);
      host.announce(`${seat.player} has seat ${seat.number}.`);
    } catch (problem) {
      // Errors of the API have a status, a detail and, for single fields, errors.
      fill(result, notice("error", words.sentence(problem.detail)));
    }
  }
}
