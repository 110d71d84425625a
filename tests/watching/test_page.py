"""The status page in a real browser: whole without its script, alive with it, on a phone and on a
desk, in light and dark, by keyboard, for a screen reader; and nothing from anywhere else.
"""

import os
import pathlib
import re
import shutil
import signal
import sys
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE.parent / "e2e", HERE):
    sys.path.insert(0, str(folder))

import harness  # noqa: E402
import pdf  # noqa: E402
from services import common  # noqa: E402
from test_watching import listening_at  # noqa: E402

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None

SHOWN_S = 30
PICTURES = pathlib.Path(os.environ.get("TEST_BUILD_DIR", "build/dev")) / "pictures"
HOSTILE = "<img src=x onerror=alert(1)> & \"quoted\".pdf"
CONTRAST_MIN = 4.5  # WCAG AA, text of this size

# What the page says of itself; run in the page.
OVERFLOW = "return document.documentElement.scrollWidth - innerWidth"
ORIGINS = "return [...new Set(performance.getEntriesByType('resource').map(e => new URL(e.name).origin))]"
CONTRAST = """
const channel = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);
  return .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b); };
const probe = document.createElement('div'); probe.style.background = 'Canvas'; document.body.append(probe);
const ground = light(getComputedStyle(probe).backgroundColor); probe.remove();
return Math.min(...[...document.querySelectorAll('h1,h2,p,dt,dd,th,td,a')].filter(e => e.textContent.trim())
  .map(e => light(getComputedStyle(e).color)).map(l => (Math.max(l, ground) + .05) / (Math.min(l, ground) + .05)))
"""


def browser():
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)


def why_not():
    if not webdriver:
        return "no selenium (apt-get install python3-selenium)"
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            return f"no {program} (apt-get install chromium chromium-driver)"
    return None


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why_not():
            raise common.Unavailable(why_not())
        PICTURES.mkdir(parents=True, exist_ok=True)
        world = cls.world = cls.enterClassContext(harness.open_world())
        cls.tenant = world.add_tenant()
        world.put(f"users/{cls.tenant}/one.pdf", pdf.document([["# One", "The first of them."]]))
        world.put(f"users/{cls.tenant}/bad.pdf", b"%PDF-1.4 and nothing more")
        world.start_worker()
        world.wait_for(lambda: listening_at(world.logs[0]), 30)
        world.settle(until=lambda: len(world.documents()) == 2)
        cls.address = f"http://{listening_at(world.logs[0])}/"
        cls.driver = browser()
        cls.addClassCleanup(cls.driver.quit)

    def open(self, width, height=1400, scheme="light"):
        driver = self.driver
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        driver.get(self.address)
        driver.save_screenshot(str(PICTURES / f"{width}-{scheme}.png"))

    def wait_for_text(self, selector, pattern):
        end = time.monotonic() + SHOWN_S
        while True:
            text = self.driver.execute_script(
                "return document.querySelector(arguments[0])?.innerText ?? ''", selector
            )
            if re.search(pattern, text):
                return text
            self.assertLess(time.monotonic(), end, f"{selector} never showed {pattern}: {text}")
            time.sleep(harness.PAUSE_S)

    def test_it_is_whole_without_its_script(self):
        with urllib.request.urlopen(self.address, timeout=10) as answer:
            policy, html = answer.headers["Content-Security-Policy"], answer.read().decode()
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertIn(f'title="{self.tenant}"', html)
        self.assertIn("<code>damaged</code>", html)
        self.assertIn("Repair the file", html)
        self.assertNotRegex(html, r"<script>|style=|onclick")

    def test_what_happens_shows_without_a_reload(self):
        self.open(1200)
        vectors = self.driver.execute_script(
            "return document.querySelector('#tenants tbody').innerText"
        )
        key = f"users/{self.tenant}/{HOSTILE}"
        self.world.put(key, pdf.document([["# Two"], ["And a second page."], ["A third."]]))
        self.world.settle(until=lambda: len(self.world.documents()) == 3)
        text = self.wait_for_text("#tenants tbody", r"\b2\b.*\b4\b")
        self.assertNotEqual(vectors, text)
        self.wait_for_text("#jobs tbody", r"completed|partial")
        self.assertEqual([], self.complaints())

    def complaints(self):
        return [each for each in self.driver.get_log("browser") if "favicon" not in each["message"]]

    def test_nothing_comes_from_elsewhere(self):
        self.open(1200)
        self.wait_for_text("#state", "ready")
        self.assertEqual([self.address.rstrip("/")], self.driver.execute_script(ORIGINS))
        self.assertEqual([], self.complaints())

    def test_it_fits_a_phone_and_a_desk_in_light_and_dark(self):
        for width in (360, 390, 768, 1200):
            for scheme in ("light", "dark"):
                with self.subTest(width=width, scheme=scheme):
                    self.open(width, scheme=scheme)
                    self.assertLessEqual(self.driver.execute_script(OVERFLOW), 0)
                    self.assertGreaterEqual(self.driver.execute_script(CONTRAST), CONTRAST_MIN)
        light, dark = (PICTURES / f"1200-{scheme}.png" for scheme in ("light", "dark"))
        self.assertNotEqual(light.read_bytes(), dark.read_bytes())

    def test_the_keyboard_reaches_everything(self):
        self.open(1200)
        focused = []
        for _ in range(12):
            self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9})
            focused.append(
                self.driver.execute_script(
                    "const e = document.activeElement; return e.getAttribute('aria-labelledby') ?? e.getAttribute('href')"
                )
            )
        self.assertEqual("#main", focused[0])
        for wanted in ("title-jobs", "title-failures", "title-tenants", "title-lanes", "/status.json", "/metrics"):
            self.assertIn(wanted, focused)

    def test_a_screen_reader_finds_its_way(self):
        for width in (390, 1200):
            self.open(width)
            tree = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
            seen = {}
            for node in tree:
                if not node.get("ignored"):
                    seen.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
            self.assertEqual(1, len(seen["main"]), width)
            self.assertIn("Jobs", seen["heading"])
            self.assertLessEqual({"Jobs", "Failures by reason", "Tenants by usage"}, set(seen["table"]))
            self.assertIn("ready", " ".join(seen.get("StaticText", [])))
            self.assertTrue(any("documents" in name for name in seen.get("progressbar", seen.get("ProgressIndicator", []))), sorted(seen))
            self.assertIn("status", seen)
            self.assertTrue(seen["row"] and seen.get("cell", seen.get("gridcell")), sorted(seen))

    def test_z_a_worker_that_goes_away_is_said(self):
        self.open(1200)
        self.world.stop_workers(signal.SIGKILL)
        self.wait_for_text("#state", "no answer")
        self.wait_for_text("#failures", "damaged")  # what was known stays


if __name__ == "__main__":
    harness.main()
