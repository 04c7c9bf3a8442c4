// What the pages do by themselves: times in the viewer's zone, parts that are loaded again, the live list, and forms that
// show their result as it is typed. Without this script every page still works.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const pad = (number, digits = 2) => String(number).padStart(digits, "0");

function local(text, millis) {
  const at = new Date(text);
  const day = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join("-");
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => pad(part)).join(":");
  return `${day} ${clock}${millis ? "." + pad(at.getMilliseconds(), 3) : ""}`;
}

// A text of the same length, so nothing moves.
function localise(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = local(time.dateTime, "millis" in time.dataset);
    time.title = time.dateTime;
  }
}

async function fetched(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// The content of the answer's <main> if it is a whole page, which an error is.
function load(part) {
  const again = (seconds) => setTimeout(() => load(part), seconds * 1000);
  if (document.hidden) {
    document.addEventListener("visibilitychange", () => load(part), { once: true });
    return;
  }
  fetched(part.dataset.src).then(
    (page) => {
      const open = [...part.querySelectorAll("details")].map((one) => one.open);
      const from = page.querySelector("main") ? page.querySelector("main .notice") : page.body;
      part.replaceChildren(...(from === page.body ? from.childNodes : [from]));
      part.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? false; });
      localise(part);
      again(part.querySelector("[data-again]")?.dataset.again ?? part.dataset.every);
    },
    () => again(part.dataset.every),
  );
}

function replaceAsTyped(form) {
  const target = form.dataset.replaces;
  let typed = 0;
  form.addEventListener("input", () => {
    const mine = ++typed;
    setTimeout(async () => {
      if (mine !== typed) return;
      const address = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
      const page = await fetched(address);
      if (mine !== typed) return;
      document.getElementById(target).replaceChildren(...page.getElementById(target).childNodes);
      localise(document.getElementById(target));
      history.replaceState(null, "", address);
    }, 250);
  });
}

function cell(row, child, kind = "") {
  const made = row.insertCell();
  made.append(child);
  made.className = kind;
}

function eventRow(event) {
  const row = document.createElement("tr");
  row.className = event.kind;
  const time = document.createElement("time");
  time.dateTime = event.at;
  time.title = event.at;
  time.textContent = local(event.at, true);
  cell(row, time);
  cell(row, event.type);
  const link = document.createElement(event.name ? "a" : "span");
  link.textContent = event.name ? `${event.tenant}/${event.name}` : event.tenant;
  if (event.name) link.href = `/schedules/${encodeURIComponent(event.tenant)}/${encodeURIComponent(event.name)}`;
  cell(row, link);
  cell(row, event.late, "number");
  cell(row, event.text);
  return row;
}

function listen(list) {
  const events = document.getElementById("events");
  const status = document.getElementById("listening");
  const hold = document.getElementById("hold");
  const held = [];
  const source = new EventSource(`${list.dataset.events}&after=${list.dataset.after}`);
  const show = (event) => {
    events.prepend(eventRow(event));
    while (events.rows.length > list.dataset.most) events.lastElementChild.remove();
  };
  source.onopen = () => { status.textContent = "Listening."; };
  source.onerror = () => { status.textContent = "The console does not answer; trying again."; };
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (hold.getAttribute("aria-pressed") === "true") {
      held.push(event);
      if (held.length > list.dataset.most) held.shift();
    } else show(event);
  };
  hold.addEventListener("click", () => {
    const pressed = hold.getAttribute("aria-pressed") !== "true";
    hold.setAttribute("aria-pressed", pressed);
    if (!pressed) held.splice(0).forEach(show);
  });
  addEventListener("pagehide", () => source.close());
}

document.getElementById("zone").textContent = zone;
localise(document);
document.querySelectorAll("[data-src]").forEach((part) => {
  if ("ready" in part.dataset) setTimeout(() => load(part), part.dataset.every * 1000);
  else load(part);
});
document.querySelectorAll("form[data-replaces]").forEach(replaceAsTyped);
document.querySelectorAll("form[data-confirm]").forEach((form) => {
  form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); });
});
document.querySelectorAll("[data-events]").forEach(listen);
