"""A page as a browser shows it: facts about its layout, what it complains of, what it asks for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

SCREEN = {"width": 1280, "scheme": "light", "media": "screen"}


@dataclass(frozen=True)
class Seen:
    """A page once it is loaded: facts about its layout, complaints of the console, and addresses it asked for."""

    facts: dict[str, Any]
    console: list[dict[str, Any]]
    asked: set[str]


def log(chromium: Chrome, kind: str) -> list[dict[str, Any]]:
    """Return what was logged since the last call."""
    entries: list[dict[str, Any]] = chromium.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def look_for(facts: str, chromium: Chrome, path: Path, **screen: Any) -> Seen:
    """Open a file on a screen (see ``SCREEN``) and return what the script ``facts`` finds."""
    on = SCREEN | screen
    size = {"width": on["width"], "height": 800, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wanted = {"media": on["media"], "features": [{"name": "prefers-color-scheme", "value": on["scheme"]}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    for kind in ("browser", "performance"):
        log(chromium, kind)
    chromium.get(path.as_uri())
    found = chromium.execute_script(facts)
    events = [json.loads(entry["message"])["message"] for entry in log(chromium, "performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    return Seen(found, log(chromium, "browser"), {url for url in asked if not url.startswith("data:")})
