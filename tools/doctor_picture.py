"""Make pictures/doctor.png, the report that README shows: `python -m tools.doctor_picture`."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from playwright.sync_api import sync_playwright
from torch import nn

from tools.browser import get_browser
from vglib.doctor import Report, examine

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "doctor.png"
PAGE = "<!doctype html><meta charset=utf-8><body style='font-family:sans-serif;width:900px'>"


def report() -> Report:
    """Examine a tower of eight sigmoids, which does not learn."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x = torch.randn(128, 20)
    y = (x @ torch.randn(20, 5)).argmax(1)
    widths = [20, *[64] * 8]
    hidden = [nn.Sequential(nn.Linear(a, b), nn.Sigmoid()) for a, b in pairwise(widths)]
    model = nn.Sequential(*hidden, nn.Linear(64, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return examine(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer, budget=60)


def main() -> None:
    """Draw the report on a page and keep what is seen."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(PAGE + report()._repr_html_(), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=get_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 940, "height": 900})
        page.goto(file.as_uri())
        page.screenshot(path=PICTURE, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
