// What CSS and htmx cannot: ages that go on, rows in their order, the theme kept, "/" to search.
// Listens on the document only, so that swaps do not matter; the server knows everything that is shown here.
"use strict";
const board = (() => {
  const root = document.documentElement, one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)], on = (name, act, capture) => document.addEventListener(name, act, capture);
  function keep(name, value) { // a private window keeps nothing
    try { return value === undefined ? localStorage.getItem(name) : localStorage.setItem(name, value); } catch { return null; }
  }
  root.dataset.theme = keep("theme") ?? "dark";

  let ahead = 0, heard = Date.now(), asked = 0, beats = 0; // ahead: of our clock the server's is, in milliseconds
  const two = (n) => String(n).padStart(2, "0"), whole = Math.floor;
  function put(element, text) { // into the text that is there: another node has all of :has() looked at again
    if (!element || element.textContent === text) return;
    if (element.childNodes.length === 1 && !element.firstElementChild) element.firstChild.data = text;
    else element.textContent = text;
  }

  function ago(s, time) {
    if (s < 3600) return s < 60 ? `${s} s` : `${whole(s / 60)} min`;
    return s >= 86400 ? `${whole(s / 86400)} d` : `${whole(s / 3600)} h` + (time.dataset.ago === "fine" ? ` ${two(whole(s / 60) % 60)} min` : "");
  }
  function timer(s) {
    const days = whole(s / 86400), hours = whole(s / 3600) % 24, minutes = whole(s / 60) % 60;
    if (days) return `${days} d ${two(hours)}:${two(minutes)}`;
    return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
  }
  function write(selector, text) {
    if (!root.hasAttribute("data-past")) // a past minute's ages stand
      for (const time of all(selector)) put(time, text(Math.max(0, whole((Date.now() + ahead - Date.parse(time.dateTime)) / 1000)), time));
  }
  function tick() {
    // a stream that was refused, or whose connection died without a word, is opened again; htmx sees to all other ends
    const stream = one("[data-stream]");
    if (stream && !document.hidden && Date.now() - Math.max(heard, asked) > 15000) {
      asked = Date.now();
      stream._htmx?.sse ? stream._htmx.sse.reader?.cancel() : stream.dispatchEvent(new Event("reopen"));
    }
    write("[data-timer]", timer);
    write(".foot [data-ago]", ago);
    if (beats++ % 15 === 0) write("main [data-ago]", ago);
    const clock = one("[data-clock]"), here = new Date(Date.now() + ahead), at = here.toISOString();
    one(".hand")?.setAttribute("transform", `rotate(${here.getSeconds() * 6})`);
    put(clock, clock?.dataset.clock === "minute" ? at.slice(11, 16) : `${at.slice(11, 19)} UTC`);
  }
  function settle() {
    if (one("#foot")?.dataset.now) ahead = Date.parse(one("#foot").dataset.now) - Date.now();
    write("[data-timer]", timer);
    const bridge = one(".bridge"), columns = all("#columns th").map((_, n) => n + 1).join(" "); // they come and go
    if (bridge && bridge.dataset.columns !== columns) bridge.dataset.columns = columns;
    bridge?.toggleAttribute("data-built", Boolean(one("#rows .build a")));
    // only rows that stand wrong are moved, and whoever has the focus keeps it where the browser can move a node whole
    let next = null, move = root.moveBefore ? "moveBefore" : "insertBefore";
    for (const row of all("#rows > *").sort((a, b) => (a.dataset.rank > b.dataset.rank) - (a.dataset.rank < b.dataset.rank)).reverse()) {
      if (row.nextElementSibling !== next) row.parentNode[move](row, next);
      next = row;
    }
  }
  // Only the page's own stream, which stands before the dialog's, says whether the connection is there.
  function say(event, lost) {
    if (event.target !== one("[data-stream]")) return;
    if (!lost) heard = Date.now();
    root.toggleAttribute("data-lost", lost);
    put(one("[data-say]"), lost ? "The connection is lost. What you see is old." : "");
  }
  on("htmx:sse:after:message", (event) => { say(event, false); settle(); });
  for (const end of ["error", "close"]) on(`htmx:sse:${end}`, (event) => say(event, true));

  // What is asked for opens over the page: the same page as its address shows, cut out.
  on("htmx:after:swap", () => {
    const shown = one("#dialog");
    if (!shown?.firstElementChild) return;
    if (!shown.open) shown.showModal();
    if (shown.contains(document.activeElement) && document.activeElement !== shown) return;
    shown.scrollTop = 0;
    shown.querySelector("[data-first]")?.focus({ preventScroll: true });
  });
  on("click", (event) => {
    if (!event.target.closest("dialog [data-close]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    one("#dialog").close();
  });
  on("close", (event) => event.target.id === "dialog" && event.target.replaceChildren(), true);
  on("htmx:error", (event) => event.target.querySelector?.(".unanswered")?.removeAttribute("hidden"));
  on("change", (event) => { if (event.target.name === "theme") keep("theme", (root.dataset.theme = event.target.value)); });
  on("htmx:config:request", (event) => {
    const { request, sourceElement } = event.detail.ctx;
    if (one("[data-csrf]")) request.headers["X-CSRF-Token"] = one("[data-csrf]").dataset.csrf;
    if (!sourceElement.closest("[data-stream]")) request.headers.Accept = "text/html";
  });
  on("keydown", (event) => {
    const search = one("input[type=search]");
    if (event.key !== "/" || !search || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    search.select();
  });

  on("DOMContentLoaded", () => {
    for (const choice of all(".theme input")) choice.checked = choice.value === root.dataset.theme;
    one(".mast [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    for (const origin of all("[data-origin]")) origin.textContent = location.origin;
    root.dataset.told = "";
    settle();
    tick();
    setInterval(tick, 1000);
  });
  return { one, all, on, keep, put };
})();
