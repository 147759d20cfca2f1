"""Public checkpoints are fetched from where they are published, and only the right file counts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dsanet_core import cli
from dsanet_core.checkpoints import Choices, available_weights, downloads, load_model
from dsanet_core.checkpoints.downloads import DOWNLOADS, Download, get_weights
from dsanet_core.errors import CheckpointError
from tests.checkpoints.published import PUBLISHED


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server on this machine that publishes one checkpoint."""
    (tmp_path / "site").mkdir()
    published = PUBLISHED["MMAction2 slowonly R18"]
    published.write(tmp_path / "site", published.state(published.network()))
    handler = partial(Quiet, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a.pth"
        server.shutdown()
        thread.join()


@pytest.fixture
def row(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users: Path) -> Download:
    """It is in the table as "one"."""
    sha256 = hashlib.sha256((tmp_path / "site" / "a.pth").read_bytes()).hexdigest()
    made = Download(address, sha256[:8], Choices(frames=4, stride=16), "a test", 50.0, "1 view")
    monkeypatch.setitem(DOWNLOADS, "one", made)
    return made


def test_every_row_says_what_is_published_in_its_files_name() -> None:
    for name, each in DOWNLOADS.items():
        assert each.address.startswith("https://"), name
        assert 0 < each.top1 < 100
        if each.sha256:
            assert each.file.endswith(f"-{each.sha256}.pth")
            assert len(each.sha256) == 8


def test_a_fetched_file_is_checked_imported_and_noted(
    row: Download, users: Path, tmp_path: Path
) -> None:
    steps: list[tuple[str, float]] = []
    assert get_weights("one", lambda step, share: steps.append((step, share))) == "one"
    network = load_model("one", "cpu")
    sampling = network.spec.protocol.sampling
    assert (sampling.frames_per_snippet, sampling.frame_stride) == (4, 16)
    said = dict(map(tuple, available_weights()["one"]["account"]))
    data = (tmp_path / "site" / "a.pth").read_bytes()
    assert f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}" in said["fetched"]
    assert said["published"] == "top-1 50% on a test, 1 view"
    assert steps[-1] == ("fetching a.pth", 1.0)
    assert not list((users / "downloads").iterdir()), "the file is not kept twice"


def test_another_file_is_refused_and_nothing_stays(
    row: Download, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DOWNLOADS, "one", replace(row, sha256="00000000"))
    with pytest.raises(CheckpointError, match=r"a\.pth has sha256 .* begins with 00000000"):
        get_weights("one")
    assert "one" not in available_weights()
    assert [path for path in users.rglob("*") if path.is_file()] == []


def test_without_a_network_it_says_where_the_file_is_and_where_to_put_it(
    row: Download, users: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = replace(row, address="http://127.0.0.1:9/a.pth")
    monkeypatch.setitem(DOWNLOADS, "one", closed)
    place = users / "downloads" / "a.pth"
    with pytest.raises(CheckpointError) as refused:
        get_weights("one")
    assert closed.address in str(refused.value)
    assert str(place) in str(refused.value)
    place.write_bytes((tmp_path / "site" / "a.pth").read_bytes())
    assert get_weights("one") == "one"
    assert place.exists(), "what the user put there is the user's"


def test_a_file_without_end_is_given_up(
    row: Download, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match="could not be fetched"):
        get_weights("one")
    assert [path for path in users.rglob("*") if path.is_file()] == []


def test_what_nobody_vouches_for_is_not_fetched(row: Download, users: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no published sha256.*SLOW_8x8_R50\.pyth.*import"):
        get_weights("slow_r50_8x8_k400")
    with pytest.raises(CheckpointError, match="Close: slowonly_r50_8x8_k400"):
        get_weights("slowonly_8x8")


def test_the_command_lists_and_gets(
    row: Download, users: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["weights", "list"]) == 0
    assert "slowonly_r50_8x8_k400" in capsys.readouterr().out
    assert cli.main(["weights", "get", "one"]) == 0
    assert "--model one" in capsys.readouterr().out
    assert cli.main(["weights", "get"]) == 2
    assert "weights get NAME" in capsys.readouterr().err
