// Called when the page is shown. What it returns is called when the page is left.
export default function mount(root, host) {
  const list = host.element("ul", {});
  root.append(host.element("h2", {}, "Who sits where"), list);
  const stop = host.events(["peer_joined"], (event) => {
    list.append(host.element("li", {}, event.peer_name));
  });
  return stop;
}
