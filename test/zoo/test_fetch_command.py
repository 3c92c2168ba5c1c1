"""`tracker_ros models fetch`: official weights in one go, or a line that says what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from file_server import FileServer
from models_command import NEEDS_TORCH, Capture, models, refusal
from tiny_models import CHECKPOINT, SIAMFC, everything_in, official, publish

from tracker_ros.models.card import read_card


def refusal_at_the_end(capsys: Capture, *arguments: str) -> str:
    """The last line, after a bar."""
    assert models(*arguments) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_model_without_an_address_says_where_to_get_it_and_what_to_type(
    own: Path, capsys: Capture
) -> None:
    publish(own, SIAMFC)
    line = refusal(capsys, "fetch", "tiny_siamfc")
    assert "get tiny.pth at https://example.org/siamfc, then: " in line
    assert line.endswith("tracker_ros models import tiny.pth --model tiny_siamfc")
    assert "is no published configuration" in refusal(capsys, "fetch", "siamfc_small")


def offered(own: Path, server: FileServer, sha256: str) -> None:
    checkpoint = {**CHECKPOINT, "urls": [server.url()], "sha256": [sha256]}
    publish(own, {**SIAMFC, "checkpoint": checkpoint})


def test_weights_that_are_not_those_on_the_card_change_nothing(
    own: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with FileServer(b"something else") as server:
        offered(own, server, "0" * 64)
        before = everything_in(own)
        assert models("fetch", "tiny_siamfc") == 2
    assert "sha256 expected 0000" in capsys.readouterr().err
    assert everything_in(own) == before


def test_weights_are_fetched_and_imported_in_one_go(
    own: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    monkeypatch.setenv("no_proxy", "*")
    file = tmp_path / "tiny.pth"
    torch.save(official(SIAMFC), file)
    content = file.read_bytes()
    with FileServer(content) as server:
        offered(own, server, hashlib.sha256(content).hexdigest())
        server.behaviour.cut_after = [len(content) // 2]
        assert models("fetch", "tiny_siamfc") == 0
        assert "model: tiny_siamfc" in capsys.readouterr().out
        card = read_card("tiny_siamfc")
        assert [card.graph(role).name for role in card.files]
        assert not list(own.glob("downloads/*"))

        assert "there is a model 'tiny_siamfc' already" in refusal(capsys, "fetch", "tiny_siamfc")
        assert len(server.behaviour.asked) == 2, "that is said before anything is fetched"


def test_a_name_that_makes_no_model_is_refused_before_anything_is_fetched(
    own: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with FileServer(b"weights") as server:
        offered(own, server, "0" * 64)
        line = refusal(capsys, "fetch", "tiny_siamfc", "--as", "../mine")
        assert "'../mine' is no name" in line
        assert "'siamfc_small' ships" in refusal(
            capsys, "fetch", "tiny_siamfc", "--as", "siamfc_small"
        )
        assert not server.behaviour.asked


def test_half_a_file_of_one_model_is_not_gone_on_with_for_another_of_that_file_name(
    own: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with FileServer(b"weights of the first") as server:
        offered(own, server, "0" * 64)
        server.behaviour.etag = ""
        server.behaviour.cut_after = [4, 0]
        assert "cut off after 4 bytes" in refusal_at_the_end(capsys, "fetch", "tiny_siamfc")
        other = read_card("tiny_siamfc").as_yaml().replace("tiny_siamfc", "tiny_second")
        (own / "tiny_second.yaml").write_text(other)
        server.behaviour.asked.clear()
        refusal_at_the_end(capsys, "fetch", "tiny_second")
        assert "Range" not in server.behaviour.asked[0]
