// The wall on its own screen: letters as large as the room needs, as many rows as then fit, problems before all, turns
// while it is calm, and a way back from whatever happens to a screen nobody touches. Runs beside app.js.
"use strict";
(() => {
  const root = document.documentElement, asked = new URLSearchParams(location.search);
  const TURN = 25, LIFE = (4 + Math.random()) * 3600, PATIENCE = 60; // seconds: a turn, a page's life, silence before a reload is tried
  const ROW = 8.4, TALL = 14.4, PIN = 18.6, LEAST = 4.9, WIDE = 130, FAR = 2.2; // in u; see wall.css. FAR: most vh to a u
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const born = performance.now();
  let heard = born, tried = born, ahead = 0, turn = 0;

  // NUREG-0700: capitals of at least 16 arc minutes; 0.71 of a letter's size is its capital.
  function needed({ inches, distance }) {
    const height = (inches * 0.0254 * innerHeight) / Math.hypot(innerWidth, innerHeight);
    return (100 * 6.283 * distance * 16) / 21600 / 0.71 / height / LEAST;
  }

  function room() {
    const said = { inches: Number(asked.get("inches")), distance: Number(asked.get("distance")) };
    if (said.inches > 0 && said.distance > 0) return said;
    try { return JSON.parse(localStorage.getItem("room")); } catch { return null; }
  }

  function fit() {
    const here = room();
    const wanted = here?.inches > 0 && here?.distance > 0 ? needed(here) : 0;
    if (wanted) root.style.setProperty("--u", `${Math.min(wanted, FAR)}vh`);
    root.toggleAttribute("data-far", wanted > FAR);
    root.toggleAttribute("data-narrow", innerWidth / unit() < WIDE);
    return Boolean(wanted);
  }

  const unit = () => parseFloat(getComputedStyle(root).fontSize) / 6.54;

  // Which rows are seen, which are pinned, which scene has its turn. Problems are on one of its pages, always.
  function seat() {
    if (!one(".stage")) return; // taken away: the screen may no longer look
    const rows = all("#rows > li"), problems = rows.filter((row) => row.hasAttribute("data-problem"));
    const asks = (row) => row.hasAttribute("data-problem") && row.dataset.phase !== "unknown";
    const height = one(".stage").clientHeight / unit(), low = root.hasAttribute("data-narrow") ? TALL : ROW;
    let pins = Math.min(2, problems.filter(asks).length);
    while (pins && height - pins * PIN < Math.min(2, rows.length - pins) * low) pins -= 1;
    const fits = Math.max(1, Number(asked.get("rows")) || pins + Math.floor((height - pins * PIN) / low));

    const calm = !problems.length, queue = calm ? rows : problems, scenes = all(".scene").slice(1);
    const pages = Math.max(1, Math.ceil(queue.length / fits)), visit = calm ? turn >> 1 : turn, page = visit % pages;
    const seen = queue.slice(page * fits, (page + 1) * fits);
    if (!calm) seen.push(...rows.filter((row) => !problems.includes(row)).slice(0, fits - seen.length));
    const urgent = seen.filter(asks), first = urgent.length && (Math.floor(visit / pages) * pins) % urgent.length;
    const pinned = [...urgent, ...urgent].slice(first, first + Math.min(pins, urgent.length));
    for (const row of rows) {
      row.toggleAttribute("data-off", !seen.includes(row));
      row.toggleAttribute("data-pin", pinned.includes(row));
    }

    const scene = calm && rows.length && turn % 2 ? scenes[(turn >> 1) % scenes.length] : null;
    for (const other of all(".scene")) other.hidden = other !== (scene ?? one(".scene"));
    const hour = new Date(Date.now() + ahead).getHours(), [from, to] = (asked.get("night") ?? "20-6").split("-").map(Number);
    root.toggleAttribute("data-night", calm && (from > to ? hour >= from || hour < to : hour >= from && hour < to));
    root.toggleAttribute("data-seated", true);
    say(rows, seen, scene, calm, page, pages);
  }

  function say(rows, seen, scene, calm, page, pages) {
    const count = (phase) => rows.filter((row) => !seen.includes(row) && row.dataset.phase === phase).length;
    const more = [[count("healthy"), "good"], [count("moving"), "moving"]].filter(([n]) => n).map(([n, what]) => `+${n.toLocaleString("en")} ${what}`);
    let text = "";
    if (!calm) text = [pages > 1 ? `${page + 1} of ${pages} pages of trouble` : "", ...more, pages > 1 ? "" : "0 problems hidden"].filter(Boolean).join(", ");
    else if (!scene) text = pages > 1 ? `${seen.length} of ${rows.length.toLocaleString("en")} shown, page ${page + 1} of ${pages}` : rows.length ? `All ${rows.length} shown` : "";
    if (root.hasAttribute("data-far")) text = "Too far to read. " + text;
    const left = one(".left");
    if (left.textContent !== text) left.textContent = text;
  }

  function clock() {
    const at = new Date(Date.now() + ahead).toISOString().slice(11, 16), shown = one(".clock time");
    if (shown && shown.textContent !== at) shown.textContent = at;
  }

  // Browsers leak and servers change: a new page now and then, and after a long silence, but only one that answers as this
  // one did. Until it does, what is here stays here, under its overlay.
  async function renew() {
    const now = performance.now(), silent = (now - heard) / 1000, old = (now - born) / 1000;
    if ((silent < PATIENCE && old < LIFE) || now - tried < 30_000) return;
    tried = now;
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { accept: "text/html" }, signal: AbortSignal.timeout(10_000) });
      if (answer.ok && !answer.redirected && (await answer.text()).includes("data-wall")) location.reload();
    } catch { /* nobody there: tried again */ }
  }

  document.addEventListener("htmx:sse:after:message", () => {
    heard = performance.now();
    ahead = Date.parse(one("#foot").dataset.now) - Date.now();
    seat();
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (["dark", "light"].includes(asked.get("theme"))) root.dataset.theme = asked.get("theme");
    ahead = Date.parse(one("#foot").dataset.now) - Date.now();
    const form = one("form.room");
    const ask = (open) => { form.hidden = !open; if (open) form.elements.inches.select(); };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const said = { inches: Number(form.elements.inches.value), distance: Number(form.elements.distance.value) };
      try { localStorage.setItem("room", JSON.stringify(said)); } catch { /* kept for nobody: asked again next time */ }
      ask(false);
      fit();
      seat();
    });
    document.addEventListener("keydown", (event) => { if (event.key === "r" && !event.ctrlKey && !event.metaKey) ask(true); });
    ask(!fit());
    setTimeout(() => ask(false), 60_000); // no keyboard, no answer
    addEventListener("resize", () => { fit(); seat(); });
    document.fonts.ready.then(seat);
    seat();
    clock();
    setInterval(clock, 1000);
    setInterval(renew, 5000);
    setInterval(() => { turn += 1; seat(); }, TURN * 1000);
  });
})();
