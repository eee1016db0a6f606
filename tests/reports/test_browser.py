"""The page in a real browser: nothing is cut off, and nothing of the target's runs."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reports.html import report_html
from reports.ledger import Run
from reports.matrix import access_matrix
from reports.verdict import decide

BROWSER = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (found := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium or chrome is on this machine; nothing was looked at"
)

_LOOK = """
onload = () => {
  const page = document.querySelector('iframe').contentDocument;
  const wide = [...page.querySelectorAll('body *')].filter(one => {
    const box = one.getBoundingClientRect();
    return box.right > page.documentElement.clientWidth + 1 && box.width > 1
      && !one.closest('.scroll, nav, pre, svg, .vh, .skip, .defs');
  });
  document.body.textContent = 'FOUND' + JSON.stringify({
    across: page.documentElement.scrollWidth,
    width: page.documentElement.clientWidth,
    wide: wide.map(one => one.tagName + '.' + one.className).slice(0, 5),
    title: page.title,
    ran: [page.defaultView.ran || 0, window.ran || 0],
    open: page.querySelectorAll('a[href], [tabindex="0"], summary, input').length,
  }) + 'END';
};
"""


def looked_at(folder: Path, source: str, width: int) -> dict[str, Any]:
    """What a browser says of the page in a window so many pixels wide."""
    framed = html.escape(source, quote=True)
    outer = folder / "outer.html"
    outer.write_text(
        f'<meta charset="utf-8"><body><iframe width="{width}" height="800" srcdoc="{framed}">'
        f"</iframe><script>{_LOOK}</script></body>",
        encoding="utf-8",
    )
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1600,1000",
            "--dump-dom",
            outer.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "HOME": str(folder)},
    )
    told = re.search(r"FOUND(.*)END", html.unescape(done.stdout))
    assert told, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(told.group(1))
    return found


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_needs_no_scrolling_sideways(tmp_path: Path, hospital: Run, width: int) -> None:
    source = report_html(hospital, decide(hospital), access_matrix(hospital))
    # To see that nothing of a hostile target runs, the page has to be let run something.
    unlocked = source.replace("default-src 'none'; ", "").replace("alert(", "ran=(")
    assert unlocked.count("Content-Security-Policy") == 1
    found = looked_at(tmp_path, unlocked, width)
    assert found["title"].startswith("Not conformant: Reference Hospital")
    assert found["wide"] == []
    assert found["across"] <= found["width"]
    assert found["ran"] == [0, 0]
    assert found["open"] > 50
