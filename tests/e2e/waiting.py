"""Waiting for what only a script can tell, on pages whose policy forbids `eval`, which Playwright's own wait uses."""

import time

from playwright.sync_api import Page

PATIENCE = 15.0


def until(page: Page, expression: str) -> None:
    """Until `expression` is true in the page."""
    ends = time.monotonic() + PATIENCE
    while not page.evaluate(f"() => Boolean({expression})"):
        assert time.monotonic() < ends, f"still waiting for: {expression}"
        page.wait_for_timeout(50)
