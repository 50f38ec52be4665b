// Called when the page is shown. Returns a function that is called when the user leaves the page.
export default function mount(root, host) {
  const list = host.element("ul", {});
  root.append(host.element("h2", {}, "Who sits where"), list);
  const stop = host.events(["peer_joined"], (event) => {
    list.append(host.element("li", {}, event.peer_name));
  });
  return stop;
}
