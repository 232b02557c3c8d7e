// What CSS and htmx cannot: ages that go on, rows in their order, the theme kept, "/" to search.
// Listens on the document only, so that swaps do not matter; the server knows everything that is shown here.
"use strict";
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  root.dataset.theme = stored() ?? "dark";

  let ahead = 0; // how far the server's clock is ahead of ours, in milliseconds
  const now = () => Date.now() + ahead;
  const two = (n) => String(n).padStart(2, "0");
  const seconds = (time) => Math.max(0, Math.floor((now() - Date.parse(time.dateTime)) / 1000));

  function ago(s, time) {
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (time.dataset.ago === "fine" && s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
    return s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
  }

  function timer(s) {
    const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
    if (days) return `${days} d ${two(hours)}:${two(minutes)}`;
    return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
  }

  const still = () => root.hasAttribute("data-past"); // a past minute's ages stand
  function write(selector, text) {
    if (still()) return;
    for (const time of document.querySelectorAll(selector)) {
      const said = text(seconds(time), time);
      if (time.textContent !== said) time.textContent = said;
    }
  }

  // A stream that was refused, or whose connection died without a word, is opened again; htmx sees to all other ends.
  let heard = Date.now(), asked = 0;
  function revive() {
    const stream = document.querySelector("[data-stream]");
    if (!stream || document.hidden || Date.now() - Math.max(heard, asked) < 15000) return;
    asked = Date.now();
    const open = stream._htmx?.sse;
    if (open) open.reader?.cancel();
    else stream.dispatchEvent(new Event("reopen"));
  }

  let beats = 0;
  function tick() {
    revive();
    write("[data-timer]", timer);
    write(".foot [data-ago]", ago);
    if (beats++ % 15 === 0) write("main [data-ago]", ago);
    const clock = document.querySelector("[data-clock]");
    const at = new Date(now());
    if (clock) clock.textContent = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} UTC`;
  }

  // Only rows that stand wrong are moved, and whoever has the focus keeps it where the browser can move a node whole.
  function order(body) {
    const rows = [...body.children];
    const sorted = rows.toSorted((a, b) => (a.dataset.rank < b.dataset.rank ? -1 : a.dataset.rank > b.dataset.rank ? 1 : 0));
    const move = body.moveBefore ? "moveBefore" : "insertBefore";
    let next = null;
    for (const row of sorted.reverse()) {
      if (row.nextElementSibling !== next) body[move](row, next);
      next = row;
    }
  }

  function settle() {
    const foot = document.getElementById("foot");
    if (foot?.dataset.now) ahead = Date.parse(foot.dataset.now) - Date.now();
    const body = document.getElementById("rows");
    if (body) order(body);
    write("[data-timer]", timer);
  }

  function say(lost) {
    root.toggleAttribute("data-lost", lost);
    const line = document.querySelector("[data-say]");
    const text = lost ? "The connection is lost. What you see is old." : "";
    if (line && line.textContent !== text) line.textContent = text;
  }

  // Only the page's own stream, which stands before the dialog's, says whether the connection is there.
  const own = (event) => event.target === document.querySelector("[data-stream]");
  document.addEventListener("htmx:sse:after:message", (event) => { if (own(event)) { heard = Date.now(); say(false); } settle(); });
  document.addEventListener("htmx:sse:error", (event) => own(event) && say(true));
  document.addEventListener("htmx:sse:close", (event) => own(event) && say(true));

  // What is asked for opens over the page: the same page as its address shows, cut out.
  const dialog = () => document.getElementById("dialog");
  document.addEventListener("htmx:after:swap", () => {
    const shown = dialog();
    if (!shown?.firstElementChild) return;
    if (!shown.open) shown.showModal();
    if (shown.contains(document.activeElement) && document.activeElement !== shown) return;
    shown.scrollTop = 0;
    shown.querySelector("[data-first]")?.focus({ preventScroll: true });
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("dialog [data-close]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    dialog().close();
  });
  document.addEventListener("close", (event) => { if (event.target.id === "dialog") event.target.replaceChildren(); }, true);
  document.addEventListener("htmx:error", (event) => {
    const line = event.target.querySelector?.(".unanswered");
    if (line) line.hidden = false;
  });

  document.addEventListener("change", (event) => {
    if (event.target.name !== "theme") return;
    root.dataset.theme = event.target.value;
    try { localStorage.setItem("theme", event.target.value); } catch { /* private window: the choice lasts for this page */ }
  });

  document.addEventListener("htmx:config:request", (event) => {
    const who = document.querySelector("[data-csrf]");
    const { request, sourceElement } = event.detail.ctx;
    if (who) request.headers["X-CSRF-Token"] = who.dataset.csrf;
    if (!sourceElement.closest("[data-stream]")) request.headers.Accept = "text/html";
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("input[type=search]");
    if (!search || event.target.matches("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    search.select();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const chosen = document.querySelector(`.theme [value="${CSS.escape(root.dataset.theme)}"]`);
    if (chosen) chosen.checked = true;
    document.querySelector(".mast [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    for (const origin of document.querySelectorAll("[data-origin]")) origin.textContent = location.origin;
    settle();
    tick();
    setInterval(tick, 1000);
  });
})();
