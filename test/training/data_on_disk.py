"""Small data sets in every format, written as their authors publish them."""

import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 96, 64
BOXES = [(10.0 + 2 * i, 20.0, 24.0, 16.0) for i in range(6)]
"""x, y, w, h of a target through six frames, 0-based."""


def picture(seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """A smooth picture, so that JPEG and resizing change little."""
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def write_pictures(folder: Path, names: Sequence[str]) -> None:
    """A picture of each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(seed))


def lines(boxes: Sequence[Sequence[float]], comma: str = ",", first: float = 0.0) -> str:
    """A line a box; `first` is the number of the first pixel."""
    rows = [(x + first, y + first, w, h) for x, y, w, h in boxes]
    return "".join(comma.join(f"{value:g}" for value in row) + "\n" for row in rows)


def write_text(path: Path, text: str) -> None:
    """A file, in folders of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_folder(root: Path, name: str = "dog") -> Path:
    """A sequence in this project's own form; gives the file of its truth."""
    write_pictures(root / name / "img", [f"{i:06d}.jpg" for i in range(1, 7)])
    write_text(root / name / "groundtruth.txt", lines(BOXES))
    return root / name / "groundtruth.txt"


def write_otb(root: Path) -> None:
    """One film with one target, one with two; commas and tabs."""
    write_pictures(root / "Dog" / "img", [f"{i:04d}.jpg" for i in range(1, 7)])
    write_text(root / "Dog" / "groundtruth_rect.txt", lines(BOXES, "\t", 1))
    write_pictures(root / "Two" / "img", [f"{i:04d}.jpg" for i in range(1, 7)])
    write_text(root / "Two" / "groundtruth_rect.1.txt", lines(BOXES, ",", 1))
    write_text(root / "Two" / "groundtruth_rect.2.txt", lines(BOXES[::-1], " ", 1))


def write_vot(root: Path) -> None:
    """Upright polygons in color/, and boxes beside the pictures."""
    write_pictures(root / "ball" / "color", [f"{i:08d}.jpg" for i in range(1, 7)])
    corners = [(x, y, x + w, y, x + w, y + h, x, y + h) for x, y, w, h in BOXES]
    rows = "".join(",".join(f"{value:g}" for value in row) + "\n" for row in corners)
    write_text(root / "ball" / "groundtruth.txt", rows)
    write_pictures(root / "car", [f"{i:08d}.jpg" for i in range(1, 7)])
    write_text(root / "car" / "groundtruth.txt", lines(BOXES))


def write_got10k(root: Path) -> None:
    """The third frame is absent by one label, the fourth is covered by the other."""
    folder = root / "GOT-10k_Train_000001"
    write_pictures(folder, [f"{i:08d}.jpg" for i in range(1, 7)])
    write_text(folder / "groundtruth.txt", lines(BOXES))
    write_text(folder / "absence.label", "0\n0\n1\n0\n0\n0\n")
    write_text(folder / "cover.label", "8\n8\n8\n0\n8\n8\n")
    write_text(root / "list.txt", "GOT-10k_Train_000001\n")


def write_lasot(root: Path) -> None:
    """In a folder of its class; the second frame is covered, the last is out of view."""
    folder = root / "dog" / "dog-1"
    write_pictures(folder / "img", [f"{i:08d}.jpg" for i in range(1, 7)])
    write_text(folder / "groundtruth.txt", lines(BOXES))
    write_text(folder / "full_occlusion.txt", "0,1,0,0,0,0")
    write_text(folder / "out_of_view.txt", "0,0,0,0,0,1")


def write_trackingnet(root: Path) -> None:
    """Two parts; pictures count from 0."""
    for part, name in (("TRAIN_0", "aaa_0"), ("TRAIN_1", "bbb_1")):
        write_pictures(root / part / "frames" / name, [f"{i}.jpg" for i in range(6)])
        write_text(root / part / "anno" / f"{name}.txt", lines(BOXES))


def write_coco(root: Path) -> None:
    """One picture with a polygon, two run-length masks and a crowd; one without objects."""
    write_pictures(root / "train2017", ["1.jpg", "2.jpg"])
    runs = [660, 4, 60, 4, 60, 9, 5347]  # down the columns 10, 11 and 12, from row 20 on
    segmentations = [
        [[10, 20, 33, 20, 33, 35, 10, 35]],
        {"size": [HEIGHT, WIDTH], "counts": runs},
        {"size": [HEIGHT, WIDTH], "counts": "dd04l1005WU5"},
    ]
    annotations = [
        {"id": i, "image_id": 1, "bbox": [10, 20, 24, 16], "iscrowd": 0, "segmentation": shape}
        for i, shape in enumerate(segmentations, 11)
    ]
    annotations.append({"id": 14, "image_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 1})
    images = [{"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in (1, 2)]
    content = {"images": images, "annotations": annotations}
    write_text(root / "annotations" / "instances.json", json.dumps(content))


def write_palette_png(path: Path, numbers: np.ndarray) -> None:
    """A PNG file whose pixels are numbers of colours, with the palette of DAVIS."""
    palette = b"".join(
        bytes(sum((i >> (3 * j + c) & 1) << (7 - j) for j in range(3)) for c in range(3))
        for i in range(256)
    )
    height, width = numbers.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in numbers.astype(np.uint8))
    chunks = chunk(b"IHDR", header) + chunk(b"PLTE", palette)
    chunks += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def write_masks(root: Path, resolution: str = "480p") -> None:
    """One video with objects 1 and 2, which comes later; one in grey with object 255."""
    names = [f"{i:05d}" for i in range(6)]
    for video in ("bike", "cow"):
        write_pictures(root / "JPEGImages" / resolution / video, [f"{n}.jpg" for n in names])
    for index, name in enumerate(names):
        numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
        x, y, w, h = map(int, BOXES[index])
        numbers[y : y + h, x : x + w] = 1
        if index >= 2:
            numbers[2:12, 50:70] = 2
        write_palette_png(root / "Annotations" / resolution / "bike" / f"{name}.png", numbers)
        grey = root / "Annotations" / resolution / "cow" / f"{name}.png"
        grey.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(grey), np.where(numbers == 1, 255, 0).astype(np.uint8))


def write_mot(root: Path) -> None:
    """Two persons, the second hidden in frame 3, and a row that does not count."""
    folder = root / "MOT17-02"
    write_pictures(folder / "img1", [f"{i:06d}.jpg" for i in range(1, 7)])
    write_text(
        folder / "seqinfo.ini",
        f"[Sequence]\nname=MOT17-02\nimDir=img1\nframeRate=30\nseqLength=6\nimWidth={WIDTH}\n"
        f"imHeight={HEIGHT}\nimExt=.jpg\n",
    )
    rows = []
    for frame, (x, y, w, h) in enumerate(BOXES, 1):
        rows.append(f"{frame},1,{x + 1:g},{y + 1:g},{w:g},{h:g},1,1,1.0")
        visibility = 0.1 if frame == 3 else 0.9
        rows.append(f"{frame},2,51,31,20,30,1,1,{visibility}")
        rows.append(f"{frame},3,1,1,20,30,0,1,1.0")
    rows.sort(key=lambda row: row.split(",")[1])  # as the benchmark's are
    write_text(folder / "gt" / "gt.txt", "\n".join(rows) + "\n")


def write_collection(root: Path) -> None:
    """This project's own form: a track with a mask, a still, an unlabelled photograph."""
    names = [f"{i:03d}.jpg" for i in range(6)]
    write_pictures(root / "video" / "dog", names)
    boxes = [list(box) for box in BOXES]
    for name, (x, y, w, h) in zip(names, BOXES, strict=True):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[int(y) : int(y + h), int(x) : int(x + w)] = 255
        path = root / "video" / "dog" / "mask" / name.replace(".jpg", ".png")
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), mask)
    table = {"dog": {"frames": names, "boxes": [*boxes[:5], None]}}
    write_text(root / "video.json", json.dumps(table))
    write_pictures(root / "still", ["a.jpg"])
    still = {"wh": [WIDTH, HEIGHT], "boxes": [[10, 20, 24, 16, "dog"], [50, 10, 30, 40, "cat"]]}
    write_text(root / "still.json", json.dumps({"still/a.jpg": still}))
    write_pictures(root / "unlabelled", ["n.jpg"])


def declare(path: Path, *sets: str) -> Path:
    """A declaration: each set is its keys but its name, which is s0, s1, ..."""
    items = "".join(f"  - {{name: s{i}, {keys}}}\n" for i, keys in enumerate(sets))
    path.write_text(f"sets:\n{items}")
    return path
