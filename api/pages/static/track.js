// Keeps an order's page up to date: hears that something happened, reads the page again, and puts in its parts.
// Without this script the page says the same, as of when it was opened.

const body = document.body;
const PARTS = "[data-part]";
const AGAIN_MS = [1000, 2000, 5000, 10000, 30000]; // after the line was refused; a browser resumes a broken one itself
const TOGETHER_MS = 150; // several things happen in one moment: one look for all of them

let known = Number(body.dataset.known);
let source = null;
let refusals = 0;
let misses = 0;
let again = 0;
let looking = null;
let soon = 0;
const filled = new Set(); // forms that somebody writes in
const received = new Map(); // each part as it came, before its times were shown otherwise

// --- Times in the reader's own zone ---------------------------------------------------------------

const FORMATS = {
  time: { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" },
  day: { year: "numeric", month: "long", day: "numeric" },
};

function showTimes(within) {
  for (const element of within.querySelectorAll("time[data-shows]")) {
    const at = new Date(element.dateTime);
    element.title = element.title || element.textContent;
    element.textContent = new Intl.DateTimeFormat(document.documentElement.lang, FORMATS[element.dataset.shows]).format(at);
  }
}

// --- Forms ----------------------------------------------------------------------------------------

function noteForms() {
  body.addEventListener("input", (event) => {
    const form = event.target.closest("form");
    if (form) filled.add(form.dataset.form);
  });
  body.addEventListener("submit", (event) => {
    // One more press while it is on its way would be the same again: its key is the same.
    const button = event.target.querySelector("button[type=submit]");
    if (button) setTimeout(() => { button.disabled = true; }, 0);
    filled.clear();
  });
  // Whoever comes back by the browser's own button may send it anew.
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[type=submit]")) button.disabled = false;
  });
}

function isWrittenIn(part) {
  return [...part.querySelectorAll("form")].some((form) => filled.has(form.dataset.form))
    || part.querySelector("form")?.contains(document.activeElement);
}

// --- What changed ---------------------------------------------------------------------------------

function put(page) {
  const headline = page.querySelector("#headline").textContent;
  const focused = document.activeElement?.id;
  const isNews = Number(page.body.dataset.known) > known;
  for (const part of document.querySelectorAll(PARTS)) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    if (part.dataset.part === "forms") putForms(part, fresh);
    else if (received.get(part.id) !== fresh.innerHTML) replace(part, fresh, isNews);
  }
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
  document.title = page.title;
  const news = document.getElementById("news");
  if (isNews) news.textContent = news.dataset.says.replace("{headline}", headline);
  known = Math.max(known, Number(page.body.dataset.known));
}

function replace(part, fresh, isNews) {
  const next = document.adoptNode(fresh);
  remember(next);
  showTimes(next);
  if (isNews) next.classList.add("is-new");
  part.replaceWith(next);
}

// What somebody writes is never taken away from him: he is told that it may not fit any more.
function putForms(part, fresh) {
  if (part.dataset.state === fresh.dataset.state) return;
  if (!isWrittenIn(part)) return replace(part, fresh, false);
  if (!part.querySelector(".track-stale")) {
    const stale = document.createElement("p");
    stale.className = "notice wait track-stale";
    stale.setAttribute("role", "status");
    stale.textContent = part.dataset.stale;
    part.prepend(stale);
  }
}

function remember(part) {
  received.set(part.id, part.innerHTML);
}

async function look() {
  looking = looking ?? fetchPage().finally(() => { looking = null; });
  return looking;
}

async function fetchPage() {
  try {
    const answer = await fetch(body.dataset.page, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    misses = 0;
  } catch {
    // A browser resumes its line behind what it has heard: nobody tells of this once more.
    lookSoon(AGAIN_MS[Math.min(misses, AGAIN_MS.length - 1)]);
    misses += 1;
  }
}

function lookSoon(in_ms = TOGETHER_MS) {
  clearTimeout(soon);
  soon = setTimeout(() => { if (!document.hidden) look(); }, in_ms);
}

// --- The line -------------------------------------------------------------------------------------

function listen() {
  if (source || document.hidden) return;
  source = new EventSource(`${body.dataset.stream}?known=${known}`);
  source.addEventListener("open", () => { refusals = 0; sayOffline(false); });
  source.addEventListener("changed", (event) => { if (Number(event.data) > known) lookSoon(); });
  source.addEventListener("error", () => {
    sayOffline(true);
    if (source.readyState !== EventSource.CLOSED) return;
    hangUp();
    again = setTimeout(listen, AGAIN_MS[Math.min(refusals, AGAIN_MS.length - 1)]);
    refusals += 1;
  });
}

function hangUp() {
  clearTimeout(again);
  source?.close();
  source = null;
}

let offline = 0;
function sayOffline(isOffline) {
  clearTimeout(offline);
  const told = document.getElementById("offline");
  if (!isOffline) told.textContent = "";
  else offline = setTimeout(() => { told.textContent = told.dataset.says; }, 3000); // a blink is no news
}

function start() {
  for (const part of document.querySelectorAll(PARTS)) remember(part);
  showTimes(document);
  noteForms();
  if (location.hash === "#said") document.getElementById("said")?.focus({ preventScroll: true });
  // Nobody looks: nothing is asked. Whoever comes back hears at once what he missed.
  document.addEventListener("visibilitychange", () => { document.hidden ? hangUp() : listen(); });
  window.addEventListener("pagehide", hangUp);
  window.addEventListener("pageshow", listen);
  listen();
}

start();
