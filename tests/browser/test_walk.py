"""One walk through the app in a real Chromium: upload, Inspect, Compare, Kernels, deep links."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, expect

from dsanet_core import synthetic
from dsanet_core.serialize import analysis_from_json
from tests.browser.stage import WAIT_MILLISECONDS, Watched, eventually, wait_until_drawn

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

@pytest.fixture
def old_avi(tmp_path: Path) -> Path:
    """A video of the benchmark as MPEG-4 in AVI, which no browser plays."""
    path = tmp_path / "old & <odd> *name*.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=synthetic.FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for rgb in synthetic.make_video(5, 13, size=(120, 160)).rgb:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def choice(page: Page, label: str) -> str:
    """What a selectbox shows."""
    return str(page.get_by_role("combobox", name=label).input_value())


def uploads(scratch: Path) -> list[Path]:
    return list(scratch.rglob("*.upload"))


def test_upload_inspect_compare_kernels_and_deep_links(
    browser: Browser, address: str, scratch: Path, old_avi: Path, tmp_path: Path
) -> None:
    eventually(lambda: not uploads(scratch))  # of the walks before
    watched = Watched(browser, address)
    page = watched.page
    page.goto(address)
    wait_until_drawn(page, "Upload a video or choose")

    (tmp_path / "empty.mp4").touch()
    page.set_input_files("input[type=file]", tmp_path / "empty.mp4")
    wait_until_drawn(page, "empty.mp4 is empty (0 bytes)")
    page.get_by_text("choose another video").click()

    page.set_input_files("input[type=file]", old_avi)
    wait_until_drawn(page, "Model, input and weights")
    expect(page.get_by_text(f"{old_avi.name} · choose another video")).to_be_visible()
    expect(page.get_by_text("The original is mpeg4 in avi")).to_be_visible()
    film = page.locator("video")
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    assert film.evaluate("film => [film.videoWidth, film.videoHeight]") == [160, 120]
    assert film.evaluate("film => film.duration") == pytest.approx(4, abs=0.3)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    assert page.locator(".js-plotly-plot image").count() == 8, "the frames of 8 snippets"
    expect(page.get_by_text("8 snippets x 4 frames, stride 4")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="dsa_i3d_synth: all data (JSON)").click()
    exported = analysis_from_json(download.value.path().read_text())
    assert exported.video.name == old_avi.name
    says = f"dsa_i3d_synth: Prediction ({100 * exported.video_scores.max():.1f}%)"
    expect(page.get_by_text(says)).to_be_visible()
    uploaded = f"upload-{exported.video.sha256}"
    page.wait_for_url(f"**video={uploaded}*")
    watched.check()

    page.get_by_role("link", name="Compare").click()
    wait_until_drawn(page, "Compute cost")
    page.wait_for_url("**other=i3d_synth*")
    for name in ("dsa_i3d_synth: Prediction", "i3d_synth: Prediction", "Multiply-adds per video"):
        expect(page.get_by_text(name).first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    watched.check()

    page.get_by_role("link", name="Kernels").click()
    wait_until_drawn(page, "All blocks")
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    page.get_by_role("combobox", name="DSA block").click()
    page.get_by_role("option", name="res4").first.click()
    page.wait_for_url("**block=layer3.*")
    wait_until_drawn(page, "Mean weights:")
    block = choice(page, "DSA block")
    watched.check()

    link = page.url.replace(uploaded, "sample-15")
    other = Watched(browser, address)
    other.page.goto(link)
    wait_until_drawn(other.page, "All blocks")
    assert choice(other.page, "DSA block") == block
    assert choice(other.page, "Model") == "dsa_i3d_synth"
    other.page.get_by_role("link", name="Inspect").click()
    wait_until_drawn(other.page, "Model, input and weights")
    correct, incorrect = map(other.page.get_by_text, ("✓ Correct", "✗ Incorrect"))
    expect(correct.or_(incorrect)).to_be_visible()
    other.page.set_viewport_size({"width": 768, "height": 1000})
    for name in ("Inspect", "Compare", "Kernels"):
        other.page.goto(f"{address}/{name.lower() if name != 'Inspect' else ''}?video=sample-15")
        wait_until_drawn(other.page, "(JSON)")
        assert other.page.evaluate("document.documentElement.scrollWidth") <= 768
    other.check()

    other.page.goto(page.url)
    wait_until_drawn(other.page, "uploads are kept only in the session that uploaded them")
    assert old_avi.name not in other.page.locator("body").inner_text()
    other.check()
    other.context.close()

    assert len(uploads(scratch)) == 2
    watched.context.close()
    eventually(lambda: not uploads(scratch))  # the session ended, and its files with it
