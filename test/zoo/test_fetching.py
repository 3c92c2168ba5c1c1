"""Files fetched over HTTP from a real server: whole and verified, or not there."""

from __future__ import annotations

import hashlib
import http.client
import io
import resource
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_server import FileServer

from tracker_ros.errors import ModelError
from tracker_ros.zoo.fetching import _Redirects, fetch

CONTENT = np.random.default_rng(5).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    with FileServer(CONTENT) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "net.pth"


def beside(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def refusal(url: str, target: Path, sha256: str = SHA256) -> str:
    with pytest.raises(ModelError) as refused:
        fetch(url, sha256, target)
    assert not target.exists(), "nothing half-written under the final name"
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_file_is_fetched_with_a_bar_and_nothing_is_left_beside_it(
    server: FileServer, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT
    assert beside(target) == {"net.pth"}
    assert "net.pth: 100%" in capsys.readouterr().err


def test_a_file_that_is_here_already_is_not_fetched_again(server: FileServer, target: Path) -> None:
    fetch(server.url(), SHA256, target)
    fetch(server.url(), SHA256, target)
    assert len(server.behaviour.asked) == 1


def test_a_connection_that_breaks_off_is_gone_on_with(server: FileServer, target: Path) -> None:
    server.behaviour.cut_after = [100_000, 50_000, 1000]
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.sent == len(CONTENT), "no byte came twice"
    assert [asked.get("Range") for asked in server.behaviour.asked] == [
        None, "bytes=100000-", "bytes=150000-", "bytes=151000-",
    ]  # fmt: skip
    assert server.behaviour.asked[1]["If-Range"] == '"one"'


def test_a_later_command_goes_on_where_an_earlier_one_was_cut_off(
    server: FileServer, target: Path
) -> None:
    server.behaviour.cut_after = [120_000, 0]
    assert "cut off after 120000 bytes" in refusal(server.url(), target)
    assert beside(target) == {"net.pth.part", "net.pth.part.version"}
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.sent == len(CONTENT)
    assert beside(target) == {"net.pth"}


def test_a_connection_that_brings_nothing_is_not_tried_forever(
    server: FileServer, target: Path
) -> None:
    server.behaviour.cut_after = [1000] * 100
    assert "cut off after 5000 bytes" in refusal(server.url(), target)
    assert len(server.behaviour.asked) == 5


def test_a_file_that_has_changed_since_begins_anew(server: FileServer, target: Path) -> None:
    server.behaviour.cut_after = [120_000, 0]
    refusal(server.url(), target)
    other = CONTENT[::-1]
    server.behaviour.content, server.behaviour.etag = other, '"two"'
    fetch(server.url(), hashlib.sha256(other).hexdigest(), target)
    assert target.read_bytes() == other


def test_a_server_that_sends_no_parts_is_asked_for_the_whole(
    server: FileServer, target: Path
) -> None:
    server.behaviour.ranges = False
    server.behaviour.cut_after = [120_000]
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_names_no_version_and_no_length_serves_too(
    server: FileServer, target: Path
) -> None:
    server.behaviour.etag, server.behaviour.says_length = "", False
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_transfer_of_unknown_length_that_was_cut_short_is_not_taken(
    server: FileServer, target: Path
) -> None:
    server.behaviour.says_length = False
    server.behaviour.cut_after = [120_000]
    assert "sha256 expected" in refusal(server.url(), target)


def test_all_bytes_that_were_here_before_the_name_are_taken(
    server: FileServer, target: Path
) -> None:
    target.parent.mkdir()
    target.with_name("net.pth.part").write_bytes(CONTENT)
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.sent == 0


def test_more_bytes_than_the_file_has_are_thrown_away(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("net.pth.part").write_bytes(CONTENT + b"more")
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT


def test_another_content_is_removed_and_both_hashes_are_told(
    server: FileServer, target: Path
) -> None:
    line = refusal(server.url(), target, "0" * 64)
    assert f"expected {'0' * 64}, got {SHA256}" in line
    assert beside(target) == set()


def test_an_earlier_file_lives_on_when_fetching_fails(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"of another version")
    with pytest.raises(ModelError, match="sha256 expected"):
        fetch(server.url(), "0" * 64, target)
    assert target.read_bytes() == b"of another version"


def test_a_file_that_is_gone_is_told_with_what_the_server_says(
    server: FileServer, target: Path
) -> None:
    assert "the server says 404 Not Found" in refusal(server.url("/gone"), target)


def test_a_redirect_is_followed_to_http_and_to_nothing_else(
    server: FileServer, target: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    for place in (f"file://{secret}", f"ftp://127.0.0.1{secret}", "data:,x"):
        server.behaviour.location = place
        line = refusal(server.url("/moved"), target)
        assert place.partition(":")[0] in line
    server.behaviour.location = server.url()
    fetch(server.url("/moved"), SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_redirect_from_https_to_http_is_refused() -> None:
    asked = urllib.request.Request("https://example.org/net.pth")
    headers = http.client.HTTPMessage()
    with pytest.raises(ModelError, match="refused: https to http"):
        _Redirects().redirect_request(
            asked, io.BytesIO(), 302, "Found", headers, "http://example.org/net.pth"
        )
    other = "https://example.org/other"
    safe = _Redirects().redirect_request(asked, io.BytesIO(), 302, "Found", headers, other)
    assert safe is not None and safe.full_url == "https://example.org/other"


def test_a_redirect_in_a_circle_ends(server: FileServer, target: Path) -> None:
    server.behaviour.location = server.url("/moved")
    assert "cannot be fetched" in refusal(server.url("/moved"), target)


def test_no_other_kind_of_address_is_opened(target: Path, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(CONTENT)
    assert "unknown url type" in refusal(f"file://{tmp_path / 'local'}", target)


NO_ADDRESSES = ("http://[x/net.pth", "http://a..b/net.pth", "http://127.0.0.1:1/n\u00e9t.pth")


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_is_refused(target: Path, address: str) -> None:
    assert "it is, or leads to, no address" in refusal(address, target)


def test_a_redirect_to_what_is_no_address_is_refused(server: FileServer, target: Path) -> None:
    server.behaviour.location = "http://a..b/net.pth"
    assert "it is, or leads to, no address" in refusal(server.url("/moved"), target)


def test_a_machine_that_is_offline_is_told_what_to_do(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    line = refusal("http://no-such-host.invalid/net.pth", target)
    assert "is this machine online?" in line and "models import FILE" in line
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/net.pth"
        assert "refused" in refusal(closed, target)


def test_a_folder_that_cannot_be_written_is_told(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ModelError, match=r"net\.pth cannot be written: File exists"):
        fetch(server.url(), SHA256, tmp_path / "file" / "net.pth")


def test_a_disk_that_fills_up_is_told_and_the_next_command_goes_on(
    server: FileServer, target: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ModelError) as refused:
            fetch(server.url(), SHA256, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "net.pth cannot be written: File too large" in str(refused.value)
    assert not target.exists()
    fetch(server.url(), SHA256, target)
    assert target.read_bytes() == CONTENT
