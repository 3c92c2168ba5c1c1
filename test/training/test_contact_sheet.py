"""What the contact sheet of a recipe shows. Needs torch (the train extra)."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.cli import main  # noqa: E402
from tracker_ros.drawing import FONT  # noqa: E402
from tracker_ros.geometry import Box  # noqa: E402
from tracker_ros.training.contact_sheet import (  # noqa: E402
    CAPTION,
    GREEN,
    LABEL,
    LINE,
    MARGIN,
    RED,
    WIDTH,
    WORDS,
    contact_sheet,
)
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still  # noqa: E402
from tracker_ros.training.sampling import (  # noqa: E402
    AUGMENTATIONS,
    PLAIN,
    Sampling,
)


@pytest.fixture(scope="module")
def collection() -> Collection:
    """Grey pictures, in which nothing is as green or red as the boxes."""
    rng = np.random.default_rng(0)

    def grey() -> np.ndarray:
        return rng.integers(0, 200, (24, 32, 1), np.uint8).repeat(3, 2).repeat(8, 0).repeat(8, 1)

    frames = tuple(Frame(grey(), Box(80, 60, 60, 40)) for _ in range(4))
    tracks = [FrameTrack("a", frames), FrameTrack("b", frames[::-1])]
    return Collection(tracks, [], [Still(grey(), ())])


def count(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == colour).all(-1).sum())


def test_there_is_a_row_for_two_augmentations_that_are_switched_on(collection: Collection) -> None:
    some = {**PLAIN, "shift": 30, "blur": 0.1, "flip": 0.5}
    sheets = [contact_sheet(collection, Sampling(**values)) for values in (PLAIN, some)]
    assert [sheet.shape[1] for sheet in sheets] == [WIDTH, WIDTH]
    assert sheets[1].shape[0] - sheets[0].shape[0] == 2 * LINE


def test_boxes_of_targets_are_green_and_those_of_other_objects_red(collection: Collection) -> None:
    positive = contact_sheet(collection, Sampling(**PLAIN))
    assert count(positive, GREEN) > 1000 and not count(positive, RED)
    negative = contact_sheet(collection, Sampling(**{**PLAIN, "negative": 1}))
    assert count(negative, RED) > 1000


def test_every_augmentation_has_words_that_fit_beside_its_pictures() -> None:
    assert set(WORDS) == set(AUGMENTATIONS)
    for name, words in WORDS.items():
        for text, size in ((name, 0.47), (words, 0.4)):
            (width, _), _ = cv2.getTextSize(text, FONT, size, 1)
            assert width < LABEL - 4
    (width, _), _ = cv2.getTextSize(CAPTION, FONT, 0.42, 1)
    assert width < WIDTH - 2 * MARGIN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection on disk of two photographs, one of noise and one of one colour."""
    (tmp_path / "unlabelled").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "unlabelled" / "noise.jpg"), noise)
    cv2.imwrite(str(tmp_path / "unlabelled" / "blue.jpg"), np.full_like(noise, (255, 0, 0)))
    sampling = {**PLAIN, "search_size": 127, "shift": 10}
    recipe = {key: {} for key in ("network", "distil", "train", "tracking")} | {
        "name": "tiny", "tracker": "siamfc", "paper": "", "backbone": "", "held_out": [],
        "sampling": sampling,
    }  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(json.dumps(recipe))
    return tmp_path


def sheet(folder: Path, *options: str, recipe: str = "", out: str = "sheet.jpg") -> int:
    recipe = recipe or str(folder / "tiny.yaml")
    return main(["data", "sheet", recipe, str(folder), "--out", str(folder / out), *options])


def test_the_command_writes_a_picture_of_what_it_is_told_to_draw_from(folder: Path) -> None:
    sheets = []
    for options in ((), ("--only", "noise")):
        assert sheet(folder, *options) == 0
        image = cv2.imread(str(folder / "sheet.jpg"))
        assert image is not None and image.shape[1] == WIDTH
        b, g, r = (image[..., i].astype(int) for i in range(3))
        sheets.append(int(((b > 200) & (g < 60) & (r < 60)).sum()))
    assert sheets[0] > 3000 and sheets[1] < 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"recipe": "famnet"}, "trains on films, not on pairs"),
        ({"recipe": "nope"}, "no recipe 'nope'"),
        ({"out": "sheet.png"}, "name one that ends in .jpg"),
        ({"out": "nowhere/sheet.jpg"}, "cannot be written"),
    ],
    ids=["famnet", "unknown recipe", "PNG", "no folder"],
)
def test_what_gives_no_sheet_is_one_line_and_exit_code_2(
    folder: Path, arguments: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sheet(folder, **arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and words in error


def test_a_word_that_nothing_has_in_its_name_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sheet(folder, "--only", "dog", "cat") == 2
    assert "has dog or cat in its name" in capsys.readouterr().err
