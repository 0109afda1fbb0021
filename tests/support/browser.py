"""A headless Chromium that opens a page as a reader does, and says what is wrong with it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

AXE = "axe-core@4.11.1"
"""The accessibility checker and its version, as npm names it."""
CACHE = Path(__file__).parents[2] / "build" / "npm"
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--force-prefers-reduced-motion",
)  # fmt: skip
_GRAVE = ("serious", "critical")


class Browser:
    """A Chromium window; `visit` a page, then ask what is wrong with it."""

    def __init__(self, window: Any) -> None:
        self.window = window

    def visit(self, page: Path, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Open a file at a width of CSS pixels, in the light or in the dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.faults()
        assert page.is_file()
        self.window.get(page.resolve().as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript in the page; what it returns."""
        return self.window.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """Find one element by a CSS selector."""
        return self.window.find_element("css selector", selector)

    def press(self, selector: str, *keys: str) -> None:
        """Press keys on an element."""
        self.find(selector).send_keys(*keys)

    def faults(self) -> list[str]:
        """Console errors and warnings, and requests that left the file, since this was last asked."""
        found = [entry["message"] for entry in self.window.get_log("browser")]
        for entry in self.window.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith(("file:", "data:", "about:")):
                    found.append(f"request to {url}")
        return found

    def audit(self) -> list[str]:
        """Serious and critical faults that axe-core finds, each with the element."""
        if not self.run("return !!window.axe"):
            self.run(axe_source())
        script = "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"
        self.window.set_script_timeout(60)
        found = self.window.execute_async_script(script)["violations"]
        return [
            f"{item['impact']}: {item['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for item in found
            if item["impact"] in _GRAVE
            for node in item["nodes"]
        ]

    def sideways(self) -> int:
        """How many pixels the page itself scrolls sideways; none, where it fits."""
        return int(self.run("const e = document.documentElement; return e.scrollWidth - e.clientWidth"))

    def picture(self, path: Path, *, whole: bool = True) -> Path:
        """Save a PNG of the page."""
        size = self.window.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        options: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.window.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; skips the test where there is none."""
    selenium = pytest.importorskip("selenium.webdriver")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium is installed (Debian: chromium, chromium-driver)")
    options = selenium.ChromeOptions()
    options.binary_location = binary
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    window = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    try:
        yield Browser(window)
    finally:
        window.quit()


def axe_source() -> str:
    """The source of axe-core, installed once by npm below `build`; skips the test where that is impossible."""
    script = CACHE / AXE.replace("@", "-") / "node_modules" / "axe-core" / "axe.min.js"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "axe.lock"):
        if not script.is_file():
            _install(script.parents[2])
    return script.read_text(encoding="utf-8")


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm is installed, which axe-core comes with")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", AXE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"npm could not install {AXE}: {done.stderr.strip()[-200:]}")
