// Logging in; without this script the form works too, only less politely.

const form = document.getElementById("form");
const input = document.getElementById("token");
const message = document.getElementById("message");

if (new URLSearchParams(location.search).has("refused")) {
  message.textContent = "That is not the token.";
}

form.addEventListener("submit", () => {
  message.textContent = "";
});
input.focus();
