"""Pictures are decoded when asked for, and kept in memory up to a bound."""

import multiprocessing
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from data_on_disk import HEIGHT, WIDTH, declare, write_collection, write_mot, write_pictures

from tracker_ros.training.datasets.cache import Kept, PictureCache
from tracker_ros.training.datasets.sources import PictureFile
from tracker_ros.training.reading import read_collection

BYTES = WIDTH * HEIGHT * 3


@pytest.fixture
def files(tmp_path: Path) -> list[PictureFile]:
    names = [f"{i}.jpg" for i in range(8)]
    write_pictures(tmp_path, names)
    return [PictureFile(str(tmp_path / name)) for name in names]


def test_the_cache_holds_no_more_than_its_bytes_and_drops_what_was_used_longest_ago(
    files: list[PictureFile],
) -> None:
    cache = PictureCache(3 * BYTES)
    first = cache.read(files[0])
    for file in files[1:3]:
        cache.read(file)
    assert cache.read(files[0]) is first, "kept: not decoded again"
    cache.read(files[3])
    assert (len(cache), cache.bytes) == (3, 3 * BYTES)
    assert cache.read(files[0]) is first, "used lately: files[1] went"
    for file in files:
        cache.read(file)
        assert cache.bytes <= 3 * BYTES


def test_what_is_larger_than_the_cache_is_read_and_not_kept(files: list[PictureFile]) -> None:
    cache = PictureCache(BYTES - 1)
    assert cache.read(files[0]).shape == (HEIGHT, WIDTH, 3)
    assert len(cache) == cache.bytes == 0


def test_threads_share_a_cache(files: list[PictureFile]) -> None:
    cache = PictureCache(4 * BYTES)
    expected = {file: file.read() for file in files}
    order = np.random.default_rng(0).integers(0, len(files), 400)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda i: cache.read(files[i]), order))
    assert all(np.array_equal(a, expected[files[i]]) for a, i in zip(images, order, strict=True))
    assert cache.bytes == len(cache) * BYTES <= 4 * BYTES


def read_in_child(cache: PictureCache, file: PictureFile, answer: Connection) -> None:
    answer.send(cache.read(file).shape)


def test_a_process_forked_while_a_thread_reads_is_not_held_up(files: list[PictureFile]) -> None:
    cache = PictureCache(4 * BYTES)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with cache._guard():
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=read_in_child, args=(cache, files[0], there))
    child.start()
    try:
        assert here.poll(30), "the child waits for a lock that nobody can free in it"
        assert here.recv() == (HEIGHT, WIDTH, 3)
    finally:
        done.set()
        thread.join()
        child.kill()
        child.join()


def test_a_small_collection_is_decoded_once_and_for_all(tmp_path: Path) -> None:
    write_collection(tmp_path)
    collection = read_collection(tmp_path, progress=False)
    frame = collection.tracks[0].frames[0]
    for path in tmp_path.rglob("*.jpg"):
        path.unlink()
    assert frame.image is frame.image
    assert all(still.image.size for still in collection.stills + collection.unlabelled)


def test_a_large_collection_is_decoded_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_collection(tmp_path)
    monkeypatch.setattr("tracker_ros.training.reading.CACHE", 2 * BYTES)
    collection = read_collection(tmp_path, progress=False, memory=4 * BYTES)
    kept = collection.tracks[0].frames[0]._picture
    assert isinstance(kept, Kept)
    cache = kept.cache
    assert cache.limit == 2 * BYTES, "eight pictures do not fit: each process keeps fewer"
    for frame in collection.tracks[0].frames:
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert 0 < cache.bytes <= 2 * BYTES


def test_tracks_that_share_frames_share_their_pictures(tmp_path: Path) -> None:
    write_mot(tmp_path)
    sets = declare(tmp_path / "sets.yaml", "format: motchallenge, root: .")
    one, other = read_collection(sets, progress=False).tracks
    assert one.frames[0].image is other.frames[0].image


def test_a_collection_can_be_sent_to_a_process_that_was_not_forked(tmp_path: Path) -> None:
    write_collection(tmp_path)
    collection = read_collection(tmp_path, progress=False)
    data = pickle.dumps(collection)
    assert len(data) < BYTES, "where pictures are, not what they show"
    sent = pickle.loads(data)
    assert np.array_equal(sent.tracks[0].frames[0].image, collection.tracks[0].frames[0].image)
    assert np.array_equal(sent.tracks[0].frames[0].mask, collection.tracks[0].frames[0].mask)
