// The login: afterwards the wanted section opens, which the server does not know.

const form = document.querySelector("form");
// A browser takes the part after "#" along when the server redirects it to the page.
form.action = `/login${location.search}${location.hash}`;

const wait = document.querySelector("[data-seconds]");
if (wait) {
  const end = performance.now() + Number(wait.dataset.seconds) * 1000;
  const timer = setInterval(() => {
    const left = Math.ceil((end - performance.now()) / 1000);
    wait.textContent = left > 0 ? `in ${left} ${left === 1 ? "second" : "seconds"}` : "now";
    if (left <= 0) {
      clearInterval(timer);
    }
  }, 250);
}
