"""Takes the README's pictures of a demo, in both themes: `make screenshots`, or `python -m tests.e2e.tour [name …]`.

Each waits until there is something to see. WebP, as the browser packs it, and never more than `MOST` bytes.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests import machine
from tests.e2e.conftest import QUIET
from tests.processes import free_port, shipboard

OUT = machine.ROOT / "docs/pictures"
MOST = 150_000
PATIENCE = 180.0
SHOWN = ("waiting", "canary")
DESK, ROOM, PHONE = (1440, 900), (1920, 1080), (390, 844)
SIZES = {"board": DESK, "workload": DESK, "gate": DESK, "pipelines": DESK, "wall": ROOM, "phone": PHONE}


def ask(url: str, path: str) -> Any:
    """The JSON at a path of the API; None while there is none."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer) if answer.status == 200 else None
    except OSError:
        return None


def places(url: str) -> dict[str, str] | None:
    """Where each picture is taken, once all that they show is there: a gate that waits and a canary under way."""
    gates = ask(url, "gates?phase=open")
    workloads = ask(url, "workloads")
    ready = [each for each in gates["items"] if each["missing"] == ["Approval"]] if gates else []
    if not workloads or len(ready) < 3:
        return None
    gate = "/gates/" + next(
        (each["id"] for each in ready if "traffic" not in each["question"]), ready[0]["id"]
    )
    canary = next(
        (each["ref"] for each in workloads["items"] if (each["attention"], each["strategy"]) == SHOWN), None
    )
    if canary is None:
        return None
    page = "/workloads/{cluster}/{namespace}/{kind}/{name}".format(**canary)
    return {
        "board": "/", "workload": page, "gate": gate, "pipelines": "/pipelines",
        "wall": "/wall?inches=55&distance=4", "phone": gate,
    }  # fmt: skip


def take(browser: Browser, url: str, name: str, path: str, theme: str) -> int:
    """One picture, as Ada sees it; its size in bytes."""
    width, height = SIZES[name]
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=2 if name == "phone" else 1
    )
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto(f"{url}/login")
    page.locator("main button[value=ada]").click()
    page.wait_for_load_state()
    page.goto(url + path)
    page.evaluate("() => document.fonts.ready.then(() => true)")
    page.wait_for_timeout(1500)  # for the stream's first message, and whatever it moves
    devtools = context.new_cdp_session(page)
    for quality in (90, 80, 65, 50, 35):
        shot = devtools.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        picture = base64.b64decode(shot["data"])
        if len(picture) <= MOST:
            break
    (OUT / f"{name}-{theme}.webp").write_bytes(picture)
    context.close()
    return len(picture)


def main(names: list[str]) -> int:
    """Take them, or those named; 1 if one is too large."""
    OUT.mkdir(parents=True, exist_ok=True)
    port, sizes = free_port(), []
    with tempfile.TemporaryDirectory(prefix="shipboard-tour-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=machine.browser(), args=QUIET)
        with shipboard(Path(folder), "demo", "--port", str(port)):
            url, ends = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
            while (where := places(url)) is None:
                if time.monotonic() > ends:
                    raise SystemExit("screenshots: the demo has nothing to show")
                time.sleep(0.5)
            for name in names or SIZES:
                for theme in ("dark", "light"):
                    sizes.append(take(browser, url, name, where[name], theme))
                    print(f"{name}-{theme}.webp {sizes[-1]:,} bytes")
        browser.close()
    return int(max(sizes) > MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
