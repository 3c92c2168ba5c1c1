"""What is read from files, environment and small programs, from made-up ones."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from tracker_ros.doctor.facts import Gpu, Library, numbers
from tracker_ros.doctor.gpu import driver_of, toolkit_of
from tracker_ros.doctor.interpreter import foreign, look_at_python, sees_system
from tracker_ros.doctor.isolated import Answer
from tracker_ros.doctor.jetson import l4t_of, release_of
from tracker_ros.doctor.kept_engines import look_at_cache, why_unwritable
from tracker_ros.doctor.libraries import installed, library_of, look_at_library
from tracker_ros.doctor.machine import (
    look_at_kernel,
    look_at_machine,
    power_mode,
    system_packages,
)
from tracker_ros.doctor.ros import look_at_ros
from tracker_ros.engines.cache import Plan, PlanCache, PlanKey

TEGRA = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"
KEY = PlanKey(
    stem="siamfc.search", graph="0" * 64, tensorrt="10.3.0", gpu="Orin", sm="8.7",
    multiprocessors=8, precision="fp16", profile="1 to 32 rows", options="",
)  # fmt: skip
BUILT = "TensorRT 10.3.0, Orin (8 multiprocessors), SM 8.7"
ORIN = Gpu("Orin", "8.7", multiprocessors=8)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.5.0a0+872d972e41.nv24.08", (2, 5, 0)),
        ("10.3.0.30-1+cuda12.5", (10, 3, 0, 30)),
        ("8.5.3.1", (8, 5, 3, 1)),
        ("v1.2", (1, 2)),
        ("13", (13,)),
        ("", ()),
        ("unknown", ()),
    ],
)
def test_the_numbers_of_a_version(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected


# --- Jetson, machine and kernel ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("l4t", "jetpack", "tensorrt"),
    [
        ("34.1.1", "5.0", "8.4"),
        ("35.1.0", "5.0", "8.4"),
        ("35.4.1", "5.1", "8.5"),
        ("36.3.0", "6.0", "8.6"),
        ("36.4", "6.1", "10.3"),
        ("36.4.3", "6.2", "10.3"),
        ("38.2.0", "7.0", "10.13"),
        ("38.4.0", "7.1", "10.13"),
        ("39.2.1", "7.2", "10.16"),
    ],
)
def test_a_release_of_jetson_linux_belongs_to_a_jetpack(
    l4t: str, jetpack: str, tensorrt: str
) -> None:
    release = release_of(l4t)
    assert release is not None and release[1:] == (jetpack, tensorrt)


@pytest.mark.parametrize("l4t", ["", "32.7.1", "40.1", "?"])
def test_of_another_release_nothing_is_claimed(l4t: str) -> None:
    assert release_of(l4t) is None


def test_a_jetson_is_read_from_its_files(tmp_path: Path) -> None:
    write(tmp_path / "etc/nv_tegra_release", TEGRA)
    write(tmp_path / "etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n')
    write(tmp_path / "proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0")
    write(tmp_path / "proc/meminfo", "MemTotal: 7802880 kB\nMemAvailable: 5242880 kB\nHuge: 3\n")
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nCPU part\t: 0xd42\n")
    write(tmp_path / ".dockerenv", "")
    machine = look_at_machine(tmp_path)
    assert machine.jetson == "NVIDIA Jetson Orin Nano Developer Kit"
    assert (machine.l4t, machine.jetpack) == ("36.4.3", "6.2")
    assert (machine.memory_mb, machine.available_mb) == (7620, 5120)
    assert machine.system == "Ubuntu 22.04.5 LTS"
    assert machine.container
    assert machine.cores > 0


def test_a_machine_that_says_nothing_is_no_trouble(tmp_path: Path) -> None:
    machine = look_at_machine(tmp_path)
    assert (machine.jetson, machine.l4t, machine.memory_mb, machine.container) == (
        "", "", None, False
    )  # fmt: skip
    kernel = look_at_kernel(tmp_path)
    assert kernel.rmem_max is kernel.ipfrag_time is kernel.shm_mb is None


def test_another_board_with_a_device_tree_is_no_jetson(tmp_path: Path) -> None:
    write(tmp_path / "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    assert look_at_machine(tmp_path).jetson == ""


def test_the_kernels_values_are_read(tmp_path: Path) -> None:
    write(tmp_path / "proc/sys/net/core/rmem_max", "212992\n")
    write(tmp_path / "proc/sys/net/ipv4/ipfrag_time", "30\n")
    write(tmp_path / "proc/sys/net/ipv4/ipfrag_high_thresh", "4194304\n")
    (tmp_path / "dev/shm").mkdir(parents=True)
    kernel = look_at_kernel(tmp_path)
    assert (kernel.rmem_max, kernel.ipfrag_time, kernel.ipfrag_high_thresh) == (212992, 30, 4194304)
    assert kernel.shm_mb is not None and kernel.shm_mb > 0


def test_l4t_of_what_is_no_release() -> None:
    assert l4t_of("") == l4t_of("R36") == ""


def test_a_removed_package_is_not_installed() -> None:
    text = "nvidia-jetpack 6.2+b77 installed\nlibnvinfer8 8.5.2-1+cuda11.4 config-files\nbad line\n"
    assert system_packages(text) == {"nvidia-jetpack": "6.2+b77"}


def test_the_power_mode_stands_among_complaints() -> None:
    text = "NVPM WARN: fan mode is not set!\nNV Power Mode: 15W\n0\nNVPM ERROR: failed to read\n"
    assert power_mode(text) == "15W"
    assert power_mode("") == ""


# --- GPU -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 2024\n"
            "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0)\n",
            "535.183.01",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build\n",
            "540.4.0",
        ),
        ("", ""),
    ],
)
def test_the_version_of_the_driver(text: str, version: str) -> None:
    assert driver_of(text) == version


def test_the_version_of_the_toolkit(tmp_path: Path) -> None:
    assert toolkit_of(tmp_path) == ""
    write(tmp_path / "lib64/libcudart.so.11.4.298", "")
    assert toolkit_of(tmp_path) == "11.4"
    write(tmp_path / "version.json", '{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}')
    assert toolkit_of(tmp_path) == "12.6"
    write(tmp_path / "version.json", "[1]")
    assert toolkit_of(tmp_path) == "11.4"


# --- Python and libraries ------------------------------------------------------------------------


def test_folders_of_another_python_are_noticed() -> None:
    folders = [
        "",
        "/opt/ros/foxy/lib/python3.8/site-packages",
        "/opt/ros/humble/local/lib/python3.10/dist-packages",
        "/usr/lib/python3/dist-packages",
        "/usr/lib/python3.8",
    ]
    assert foreign(folders, "3.10") == ("/opt/ros/foxy/lib/python3.8/site-packages",)


def test_an_environment_says_whether_it_sees_the_system() -> None:
    assert sees_system("home = /usr/bin\ninclude-system-site-packages = true\n")
    assert not sees_system("include-system-site-packages = false\n")
    assert not sees_system("")


def test_the_environment_of_the_shell_is_told() -> None:
    python = look_at_python({"VIRTUAL_ENV": "/somewhere/venv", "PATH": "/nowhere"})
    assert python.active_venv == "/somewhere/venv"
    assert python.of_path == ""
    assert python.executable == sys.executable


def test_every_package_of_a_module_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("opencv_python", "4.10.0.84"), ("opencv_python_headless", "4.8.1.78")):
        text = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        write(tmp_path / f"{name}-{version}.dist-info/METADATA", text)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = installed(("opencv-python", "opencv-python-headless"))
    ours = [row for row in found if Path(row.folder) == tmp_path]
    assert [(row.name, row.version) for row in ours] == [
        ("opencv-python", "4.10.0.84"), ("opencv-python-headless", "4.8.1.78"),
    ]  # fmt: skip


def test_what_was_imported_counts_more_than_metadata() -> None:
    found = installed(("numpy",))
    library = library_of(found, Answer({"version": "9.9", "details": {}}, "", False))
    assert library.version == "9.9"
    assert library_of(found, Answer({}, "killed by SIGILL", False)).version == metadata.version(
        "numpy"
    )


def test_a_library_of_this_machine_is_tried() -> None:
    library = look_at_library("cv2")
    assert library.version and not library.trouble
    assert library.details["gui"]


def test_an_absent_library_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        look_at_library.__globals__["PACKAGES"], "no_such_thing", ("no-such-thing",)
    )
    monkeypatch.setitem(look_at_library.__globals__, "ask", pytest.fail)
    assert look_at_library("no_such_thing") == Library()


# --- ROS 2 ---------------------------------------------------------------------------------------


def test_the_ros_of_a_shell_is_read_from_its_prefixes(tmp_path: Path) -> None:
    own, ros = tmp_path / "install", tmp_path / "humble"
    (ros / "local/lib/python3.10/dist-packages/rclpy").mkdir(parents=True)
    index = ros / "share/ament_index/resource_index/rmw_typesupport"
    for name in ("rmw_fastrtps_cpp", "rmw_cyclonedds_cpp", "rmw_implementation"):
        write(index / name, "")
    write(own / "share/vision_msgs/package.xml", "<package><version>4.1.1</version></package>")
    write(ros / "share/vision_msgs/package.xml", "<package><version>4.1.0</version></package>")
    profile = tmp_path / "profile.xml"
    environment = {
        "ROS_DISTRO": "humble",
        "AMENT_PREFIX_PATH": f"{own}:{ros}",
        "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
        "ROS_DOMAIN_ID": " 42 ",
        "ROS_LOCALHOST_ONLY": "1",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile),
        "CYCLONEDDS_URI": "<CycloneDDS><Peer address='10.1.2.3'/></CycloneDDS>",
    }
    found = look_at_ros(environment, Library(details={"rmw": "rmw_cyclonedds_cpp"}))
    assert (found.distribution, found.python, found.vision_msgs) == ("humble", "3.10", "4.1.1")
    assert found.rmws == ("rmw_cyclonedds_cpp", "rmw_fastrtps_cpp")
    assert (found.rmw, found.rmw_asked) == ("rmw_cyclonedds_cpp", "rmw_cyclonedds_cpp")
    assert found.domain_id == "42"
    assert "ROS_LOCALHOST_ONLY" in found.discovery
    assert found.profile == str(profile) and not found.profile_here
    assert found.cyclone and "10.1.2.3" not in str(found)
    write(profile, "<dds/>")
    assert look_at_ros(environment, Library()).profile_here


def test_a_shell_without_ros_has_nothing_of_it() -> None:
    found = look_at_ros({}, Library())
    assert (found.distribution, found.python, found.rmws, found.profile) == ("", "", (), "")


# --- cache ---------------------------------------------------------------------------------------


def test_engines_of_the_cache_are_listed_with_whether_they_fit(tmp_path: Path) -> None:
    PlanCache(tmp_path).store(KEY, Plan(b"plan", {"seconds": 12.0}))
    (engine,) = look_at_cache(ORIN, "10.3.0", tmp_path).engines
    assert engine.name == KEY.name and not engine.misfit
    assert engine.words == f"{BUILT}, fp16"


@pytest.mark.parametrize(
    ("gpu", "tensorrt"),
    [
        (ORIN, "10.16.1"),
        (Gpu("Orin", "8.7", multiprocessors=4), "10.3.0"),
        (Gpu("Thor", "11.0"), "10.3.0"),
        (Gpu(), ""),
    ],
)
def test_an_engine_of_another_machine_does_not_fit(tmp_path: Path, gpu: Gpu, tensorrt: str) -> None:
    PlanCache(tmp_path).store(KEY, Plan(b"plan", {}))
    (engine,) = look_at_cache(gpu, tensorrt, tmp_path).engines
    assert engine.misfit == f"it was built for {BUILT}"


@pytest.mark.parametrize("text", ["", "[]", '{"key": 3}', "{"])
def test_a_damaged_note_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    write(tmp_path / "siamfc.json", text)
    write(tmp_path / "siamfc.plan", "plan")
    (engine,) = look_at_cache(ORIN, "10.3.0", tmp_path).engines
    assert (engine.name, engine.misfit) == ("siamfc", "it is damaged")


def test_the_cache_is_not_made_by_being_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "tracker_ros" / "engines"
    cache = look_at_cache(ORIN, "10.3.0", folder)
    assert not cache.exists and not cache.unwritable and not cache.engines
    assert cache.free_mb is not None and cache.free_mb >= 0
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    write(tmp_path / "file", "")
    cache = look_at_cache(ORIN, "10.3.0", tmp_path / "file" / "engines")
    assert cache.unwritable == f"{tmp_path / 'file'} is not a folder"
    assert why_unwritable(Path("/proc")).startswith("/proc: ")
    assert why_unwritable(tmp_path) == ""
