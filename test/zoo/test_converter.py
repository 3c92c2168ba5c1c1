"""Checkpoints are read without being executed, whatever they hold."""

from __future__ import annotations

import contextlib
import json
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import MAGIC, as_legacy, as_zip, one_tensor, traps

import tracker_ros
from tracker_ros.errors import ModelError
from tracker_ros.zoo.checkpoints import convert

FLOATS = struct.pack("<4f", 1.0, 2.0, 3.0, 4.0)
FORMATS = {"zip": as_zip, "legacy": as_legacy}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Where the converter writes to."""
    return tmp_path / "converted.safetensors"


def tensors_in(path: Path) -> dict[str, tuple[list[int], bytes]]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    return {
        name: (entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }


def refusal(file: Path, made: Path) -> str:
    with pytest.raises(ModelError) as refused:
        convert(file, made)
    line = str(refused.value)
    assert str(file) in line and "\n" not in line
    return line


# --- what harms --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the files that traps open
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("trap", traps(Path("x")))
def test_a_pickle_that_would_create_a_file_creates_none(
    tmp_path: Path, made: Path, kind: str, trap: str
) -> None:
    victim = tmp_path / "created"
    data = pickle.dumps(traps(victim)[trap], protocol=2)
    opened = None
    with contextlib.suppress(TypeError):  # what it makes cannot be put where it is put
        opened = pickle.loads(data)
    del opened
    assert victim.exists(), "it does what it is here for when it is unpickled"
    victim.unlink()

    file = FORMATS[kind](data, tmp_path / "evil.pth")
    assert "no checkpoint that can be imported" in refusal(file, made)
    assert not victim.exists()


@pytest.mark.parametrize("number", range(3))
def test_the_pickles_before_the_weights_are_read_the_same_way(
    tmp_path: Path, made: Path, number: int
) -> None:
    victim = tmp_path / "created"
    head: list[object] = [MAGIC, 1001, {"little_endian": True}]
    head[number] = traps(victim)["os.system"]
    file = tmp_path / "evil.pth"
    file.write_bytes(b"".join(pickle.dumps(value, protocol=2) for value in head))
    refusal(file, made)
    assert not victim.exists()


def test_weights_beside_a_trap_come_out_and_the_trap_is_told(tmp_path: Path, made: Path) -> None:
    victim = tmp_path / "created"
    more = f"Vtrap\ncposix\nsystem\n(Vtouch {victim}\ntRs"
    data = one_tensor(more=more)
    answer = convert(as_zip(data, tmp_path / "a.pth", _0=FLOATS), made)
    assert answer == {"others": ["trap"], "strangers": ["posix.system"]}
    assert tensors_in(made) == {"weight": ([4], FLOATS)}
    assert not victim.exists()


def test_attributes_that_a_pickle_sets_change_nothing(tmp_path: Path, made: Path) -> None:
    # BUILD on the function that makes tensors: new defaults, another name.
    state = b"ctorch._utils\n_rebuild_tensor_v2\n}(V__defaults__\n)Vname\nVx\nub0"
    file = as_zip(state + one_tensor(), tmp_path / "a.pth", _0=FLOATS)
    convert(file, made)
    assert tensors_in(made) == {"weight": ([4], FLOATS)}


CONFINED = """
import sys; sys.path.insert(0, sys.argv[1])
import os, socket, subprocess
from tracker_ros.zoo.converter import confine
confine(1000)
try:
    {act}
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(
    "act",
    [
        "open(sys.argv[2], 'w')",
        "os.open(sys.argv[2], os.O_CREAT)",
        "os.system('touch ' + sys.argv[2])",
        "subprocess.run(['touch', sys.argv[2]])",
        "os.mkdir(sys.argv[2])",
        "exec('1')",
        "import ctypes",
        "socket.create_connection(('127.0.0.1', 9))",
        "os.posix_spawn('/bin/touch', ['touch', sys.argv[2]], {})",
    ],
)
def test_a_confined_process_can_do_nothing_even_if_it_wanted_to(tmp_path: Path, act: str) -> None:
    victim = tmp_path / "created"
    root = Path(tracker_ros.__file__).parents[1]
    code = CONFINED.format(act=act)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(root), str(victim)], capture_output=True, text=True
    )
    assert "which is not allowed here" in done.stdout, done.stderr
    assert not victim.exists()


# --- what claims too much ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (one_tensor(numbers=1 << 60, shape=(4,)), "bytes that are not there"),
        (one_tensor(numbers=4, shape=(1 << 40,)), "claims 1099511627776 numbers of a storage of 4"),
        (one_tensor(numbers=-4), "no storage of numbers"),
        (one_tensor(shape=(-4,)), "claims the shape"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62), "memory|cut short"),  # BINBYTES8
        (b"\x80\x02Nr" + struct.pack("<I", 0xFFFFFFF0) + b".", "memory"),  # a memo of 4 billion
        (b"\x80\x02" + b"(" * 10, "damaged"),
        (b"", "cut short"),
    ],
    ids=["storage", "shape", "negative", "negative side", "bytes", "memo", "marks", "nothing"],
)
def test_a_claim_that_the_file_does_not_hold_is_refused(
    tmp_path: Path, made: Path, data: bytes, complaint: str
) -> None:
    line = refusal(as_zip(data, tmp_path / "a.pth", _0=FLOATS), made)
    assert re.search(complaint, line), line


@pytest.mark.parametrize("claimed", [1 << 60, 5, -1])
def test_a_storage_that_claims_more_than_the_file_has_is_refused(
    tmp_path: Path, made: Path, claimed: int
) -> None:
    rest = struct.pack("<q", claimed) + FLOATS
    assert "cut short" in refusal(as_legacy(one_tensor(), tmp_path / "a.pth", ("0",), rest), made)
    good = as_legacy(one_tensor(), tmp_path / "b.pth", ("0",), struct.pack("<q", 4) + FLOATS)
    convert(good, tmp_path / "good.safetensors")
    assert tensors_in(tmp_path / "good.safetensors") == {"weight": ([4], FLOATS)}


def test_one_number_is_not_taken_for_many_weights(tmp_path: Path, made: Path) -> None:
    # Many tensors share one storage: the file is small, the weights would not be.
    tensor = one_tensor(numbers=100_000, shape=(100_000,)).decode()[2:-2]
    many = "".join(tensor.replace("Vweight", f"Vweight{n}") + "s" for n in range(100))
    data = f"(d{many}.".encode()
    file = as_zip(data, tmp_path / "a.pth", _0=bytes(400_000))
    assert "claims 40000000 bytes of weights" in refusal(file, made)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, made: Path) -> None:
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50 << 20))
    assert file.stat().st_size < 1 << 20
    assert "compressed" in refusal(file, made)


def test_entries_of_a_zip_that_lie_in_each_other_are_refused(tmp_path: Path, made: Path) -> None:
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", one_tensor())
        archive.writestr("archive/data/0", bytes(100_000))
        one = archive.filelist[-1]
        for number in range(1, 50):
            copy = zipfile.ZipInfo(f"archive/data/{number}")
            for field in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(copy, field, getattr(one, field))
            archive.filelist.append(copy)
    assert "claims more than" in refusal(file, made)


# --- what is none ---------------------------------------------------------------------------------


def write_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "storages")


def write_torchscript(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"N.")
        archive.writestr("net/constants.pkl", b"N.")


def write_other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"hello")


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path: path.write_text("not weights at all\n" * 100), "neither of the two formats"),
        (lambda path: path.write_text("<!DOCTYPE html><p>sign in"), "a web page"),
        (lambda path: path.write_bytes(b""), "neither of the two formats"),
        (write_tar, "tar format"),
        (write_torchscript, "TorchScript"),
        (write_other_zip, "none of torch.save"),
        (lambda path: as_zip(b"N.", path), "holds a NoneType, not a table"),
        (lambda path: as_zip(b"}.", path), "holds no weights.*its keys are: none"),
        (
            lambda path: as_zip(b"}(Vmodel\n}Vepoch\nI3\nu.", path),
            "at its top level, under state_dict or under net; its keys are: model, epoch$",
        ),
        (lambda path: as_zip(b"cnet\nNet\n)R.", path), r"a pickled object \(net.Net\)"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "none of torch.save"),
    ],
    ids=[
        "text",
        "page",
        "empty",
        "tar",
        "script",
        "zip",
        "none",
        "table",
        "inner",
        "object",
        "pickle",
    ],
)
def test_what_is_no_checkpoint_is_refused_with_the_reason(
    tmp_path: Path, made: Path, write: Callable[[Path], object], complaint: str
) -> None:
    file = tmp_path / "a.pth"
    write(file)
    assert re.search(complaint, refusal(file, made))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path, made: Path, kind: str) -> None:
    if kind == "zip":
        whole = as_zip(one_tensor(), tmp_path / "whole.pth", _0=FLOATS).read_bytes()
    else:
        rest = struct.pack("<q", 4) + FLOATS
        whole = as_legacy(one_tensor(), tmp_path / "whole.pth", ("0",), rest).read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9, 0.99):
        file = tmp_path / "cut.pth"
        file.write_bytes(whole[: int(len(whole) * share)])
        refusal(file, made)
        made.unlink(missing_ok=True)
