"use strict";
const cards = [...document.querySelectorAll("#cards > article")];
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const none = document.getElementById("none");
const words = cards.map((card) => card.textContent.toLowerCase());

function filter() {
  const wanted = search.value.trim().toLowerCase();
  const action = document.querySelector("input[name=action]:checked").value;
  let count = 0;
  cards.forEach((card, at) => {
    card.hidden = !(words[at].includes(wanted) && (!action || card.dataset.action === action));
    count += !card.hidden;
  });
  shown.textContent = `${count} of ${cards.length}`;
  none.hidden = count > 0;
}

function move(step) {
  const left = cards.filter((card) => !card.hidden);
  const here = left.indexOf(document.activeElement.closest("article"));
  const next = left[here < 0 ? 0 : Math.min(Math.max(here + step, 0), left.length - 1)];
  if (next) next.focus();
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input:not([type=checkbox]):not([type=radio])");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const card = document.activeElement.closest("article");
  if (event.key === "/") search.focus();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x" && card) card.querySelector(".reveal input").click();
  else return;
  event.preventDefault();
});

const form = document.getElementById("filter");
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
document.getElementById("keys").hidden = false;
filter();
