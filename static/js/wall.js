// The wall on its own screen: letters as large as the room needs, as many rows as then fit, problems before all, turns
// while it is calm, and a way back from whatever happens to a screen nobody touches. Runs after app.js.
"use strict";
(() => {
  const { one, all, on, keep, put } = board, root = document.documentElement, asked = new URLSearchParams(location.search);
  const TURN = 25, LIFE = (4 + Math.random()) * 3600, PATIENCE = 60; // seconds: a turn, a page's life, silence before a reload is tried
  const ROW = 8.4, TALL = 14.4, PIN = 18.6, LEAST = 4.9, WIDE = 130, FAR = 2.2; // in u; see wall.css. FAR: most vh to a u
  const born = performance.now(), unit = () => parseFloat(getComputedStyle(root).fontSize) / 6.54;
  let heard = born, tried = born, turn = 0;

  // NUREG-0700: capitals of at least 16 arc minutes; 0.71 of a letter's size is its capital.
  function fit() {
    const room = asked.get("inches") && asked.get("distance") ? Object.fromEntries(asked) : JSON.parse(keep("room") ?? "{}");
    const height = (room.inches * 0.0254 * innerHeight) / Math.hypot(innerWidth, innerHeight);
    const wanted = (100 * 6.283 * room.distance * 16) / 21600 / 0.71 / height / LEAST;
    if (wanted) root.style.setProperty("--u", `${Math.min(wanted, FAR)}vh`);
    root.toggleAttribute("data-far", wanted > FAR);
    root.toggleAttribute("data-narrow", innerWidth / unit() < WIDE);
    return wanted > 0;
  }

  // Which rows are seen, which are pinned, which scene has its turn. Problems are on one of its pages, always.
  function seat() {
    if (!one(".stage")) return; // taken away: the screen may no longer look
    const rows = all("#rows > li"), problems = rows.filter((row) => row.hasAttribute("data-problem"));
    const asks = (row) => row.hasAttribute("data-problem") && row.dataset.phase !== "unknown";
    const height = one(".stage").clientHeight / unit(), low = root.hasAttribute("data-narrow") ? TALL : ROW;
    let pins = Math.min(2, problems.filter(asks).length);
    while (pins && height - pins * PIN < Math.min(2, rows.length - pins) * low) pins -= 1;
    const fits = Math.max(1, Number(asked.get("rows")) || pins + Math.floor((height - pins * PIN) / low));
    const calm = !problems.length, queue = calm ? rows : problems, scenes = all(".scene:has(section:not([hidden]))");
    const pages = Math.max(1, Math.ceil(queue.length / fits)), visit = calm ? turn >> 1 : turn, page = visit % pages;
    const seen = queue.slice(page * fits, (page + 1) * fits);
    if (!calm) seen.push(...rows.filter((row) => !problems.includes(row)).slice(0, fits - seen.length));
    const urgent = seen.filter(asks), first = urgent.length && (Math.floor(visit / pages) * pins) % urgent.length;
    const pinned = [...urgent, ...urgent].slice(first, first + Math.min(pins, urgent.length));
    for (const row of rows) row.toggleAttribute("data-off", !seen.includes(row));
    for (const row of rows) row.toggleAttribute("data-pin", pinned.includes(row));

    const scene = calm && rows.length && turn % 2 ? scenes[(turn >> 1) % scenes.length] : null;
    for (const other of all(".scene")) other.hidden = other !== (scene ?? one(".scene"));
    const hour = new Date(one("#foot").dataset.now).getHours(), [from, to] = (asked.get("night") ?? "20-6").split("-").map(Number);
    root.toggleAttribute("data-night", calm && (from > to ? hour >= from || hour < to : hour >= from && hour < to));
    root.toggleAttribute("data-seated", true);
    root.dataset.drift = Math.floor(Date.now() / 60_000) % 8;
    const shown = () => cutTo(seen.length, rows.length) + (pages > 1 ? `, page ${page + 1} of ${pages}` : "");
    const said = scene ? cut(scene.querySelector("[data-of]")) : calm ? shown() : left(rows, seen, page, pages);
    put(one(".left"), (root.hasAttribute("data-far") ? "Too far to read. " : "") + said);
  }
  // What of it is not on the screen, in words.
  const cutTo = (n, of) => (n < of ? `${n} of ${of.toLocaleString("en")} shown` : of ? `All ${of} shown` : "");
  function cut(list) {
    const edge = list.getBoundingClientRect(), boxes = [...list.children].map((row) => row.getBoundingClientRect());
    return cutTo(boxes.filter((box) => box.left < edge.right && box.bottom < edge.bottom + 2).length, Number(list.dataset.of));
  }
  function left(rows, seen, page, pages) {
    const count = (phase) => rows.filter((row) => !seen.includes(row) && row.dataset.phase === phase).length;
    const more = [["healthy", "good"], ["moving", "moving"]].filter(([phase]) => count(phase)).map(([phase, what]) => `+${count(phase).toLocaleString("en")} ${what}`);
    return (pages > 1 ? [`${page + 1} of ${pages} pages of trouble`, ...more] : [...more, "0 problems hidden"]).join(", ");
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

  on("htmx:sse:after:message", () => { heard = performance.now(); seat(); });
  on("DOMContentLoaded", () => {
    if (["dark", "light"].includes(asked.get("theme"))) root.dataset.theme = asked.get("theme");
    const form = one("form.room"), ask = (open) => { form.hidden = !open; if (open) form.elements.inches.select(); seat(); };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      keep("room", JSON.stringify(Object.fromEntries(new FormData(form))));
      ask(!fit());
    });
    on("keydown", (event) => event.key === "r" && !event.ctrlKey && !event.metaKey && ask(true));
    ask(!fit());
    setTimeout(ask, 60_000, false); // no keyboard, no answer
    addEventListener("resize", () => { fit(); seat(); });
    document.fonts.ready.then(seat);
    setInterval(renew, 5000);
    setInterval(() => { turn += 1; seat(); }, TURN * 1000);
  });
})();
