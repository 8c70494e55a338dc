"""Pictures of the pages for docs/images: `make screenshots`. They show the sample that the tests look at."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.looking import Scheme, looking
from tests.browser.running import RunningFlower
from tests.browser.sample import Sample

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
BYTES_MAX = 80_000
_COLOURS = 128


@pytest.mark.parametrize(
    ("name", "path", "width", "scheme"),
    [
        ("jobs", "/jobs?producer=renderer", "wide", "light"),
        ("job", "/jobs/{sample.applied}", "wide", "dark"),
        ("account", "/account?name=wallet:workshop&period=all", "wide", "light"),
        ("undo", "/jobs/{sample.spent}/undo", "wide", "light"),
        ("account-narrow", "/account?name=wallet:workshop&period=7d", "narrow", "dark"),
        ("dead-letters", "/dead-letters", "wide", "light"),
        ("auto-topup", "/auto-topup", "wide", "light"),
        ("webhooks", "/webhooks", "wide", "dark"),
        ("health", "/health", "wide", "light"),
        ("jobs-narrow", "/jobs?producer=renderer", "narrow", "dark"),
    ],
)
def test_draw(
    browser: Browser, flower: RunningFlower, sample: Sample, name: str, path: str, width: str, scheme: Scheme
) -> None:
    with looking(browser, flower, width, scheme) as look:
        drawn = look.visit(path.format(sample=sample)).screenshot()
    picture = Image.open(io.BytesIO(drawn)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    IMAGES.mkdir(exist_ok=True)
    picture.save(IMAGES / f"flower-{name}.png", optimize=True)
    assert (IMAGES / f"flower-{name}.png").stat().st_size < BYTES_MAX, "take a smaller window, or fewer colours"
