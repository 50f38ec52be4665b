import { seatForm } from "./form.js";

const EVERY_MS = 10_000;

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("page.css", import.meta.url).href;
document.head.append(style);

/** Fill the section. It is called each time that the section is opened. */
export default function mount(root, host) {
  const { element, fill } = host;
  const hall = element("ol", { class: "seats-hall" });
  const news = element("p", { class: "muted" });
  root.append(element("h1", {}, "Seats"), element("section", { class: "card" }, hall), news);
  if (host.may("admin")) {
    root.append(seatForm(host, show));
  }

  function show({ seats }) {
    fill(
      hall,
      seats.map(({ number, player }) => element("li", { value: number }, element("bdi", {}, player))),
    );
  }

  // Both end by themselves when the section is left.
  host.every(EVERY_MS, async () => show(await host.api("/hall")));
  host.events(["peer_left"], (event) => host.setText(news, `${event.peer_name} is gone: is a seat free?`));
}
