"""Makes the pictures under docs/images, from a real report and a real playground.

`make screenshots`; needs the extras `play` and `all-tests`, and a Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "images"
PORT = 7869
INSULT = "Read the manual, you stupid idiot, it is on page two."
# Mild texts only: the pictures are seen by whoever opens the page.
ROWS = "\n".join(
    f'{{"text": "{text}"}}'
    for text in (
        INSULT,
        "Only a m0r.0n would sell a car with no brakes.",
        "stupid stupid stupid",
        "That was a stupid plan, and the women of the club said so.",
        "You are an idiot, and the tests pass.",
        "Nobody asked you, moron.",
        "Thanks, the second answer fixed my build.",
        "The women of the chess club meet on Tuesdays.",
        "Beautiful goal, poor defending. Both things can be true.",
        "Does the warranty cover water damage?",
        "My neighbour is a Muslim woman and bakes bread on Sundays.",
        "Only women and children were on the first boat.",
    )
)


def main() -> None:
    """Write all pictures."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        report = cleaned(Path(folder))
        with opened(browser, report.as_uri(), "light", 1100, 1130) as page:
            page.screenshot(path=IMAGES / "report-light.png")
        with opened(browser, report.as_uri(), "dark", 1100, 760) as page:
            page.locator("#texts").scroll_into_view_if_needed()
            card = page.locator("#cards > article").first
            card.get_by_label("Show original").check()
            card.locator("summary").click()
            page.evaluate("document.getElementById('texts').scrollIntoView()")
            page.screenshot(path=IMAGES / "texts-dark.png")
        with playing() as address, opened(browser, address, "light", 1100, 1000) as page:
            page.get_by_label("Text", exact=True).fill(INSULT)
            page.get_by_role("button", name="Clean it").click()
            page.locator("#result article.card").wait_for()
            page.mouse.move(0, 0)
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / "play-light.png")
        browser.close()


def cleaned(folder: Path) -> Path:
    """The report of a run over `ROWS`."""
    (folder / "rows.jsonl").write_text(ROWS + "\n", "utf-8")
    command = [sys.executable, "-m", "trustydetox", "clean", "rows.jsonl", "-o", "clean.jsonl"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "clean.jsonl.detox" / "report.html"


@contextmanager
def playing() -> Iterator[str]:
    """The address of a playground that runs meanwhile."""
    command = [sys.executable, "-m", "trustydetox", "play", "--port", str(PORT)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield next(line.split()[0] for line in process.stderr if line.startswith("http"))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def opened(browser: Any, address: str, scheme: str, width: int, height: int) -> Iterator[Any]:
    """A page of that size."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    yield page
    context.close()


if __name__ == "__main__":
    main()
