"""What holds the package together: manifests that agree, and walls between rooms that stay up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracker_ros

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tracker_ros"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {
    **dict.fromkeys(("errors", "geometry", "anchors", "track", "drawing"), 0),
    **dict.fromkeys(("networks", "engines", "models", "bags"), 1),
    "sot": 2,
    "mot": 3,
    **dict.fromkeys(("evaluation", "detection"), 4),
    "pipeline": 5,
    **dict.fromkeys(("training", "demo", "replay", "zoo", "operator"), 6),
    "nodes": 7,
    **dict.fromkeys(("bench", "doctor"), 8),
    "cli": 9,
}
"""Rooms and words by height: imports point down, or stay within a room."""
EXCEPTIONS = {
    "tracker_ros.track": {"tracker_ros.geometry"},
    "tracker_ros.geometry": {"tracker_ros.errors"},
    "tracker_ros.drawing": {"tracker_ros.geometry", "tracker_ros.track"},
}
GROUPS = ["ros.txt", "run.txt", "test.txt", "train.txt", "mot.txt", "vot.txt", "ray.txt"]
"""Files of requirements with exact pins."""
ROS_PACKAGE = re.compile(r"rclpy|rosidl_\w+|ament_index_python|\w+_msgs|\w+_interfaces|std_srvs")


@pytest.fixture(scope="module")
def manifest() -> ET.Element:
    return ET.parse(ROOT / "package.xml").getroot()


def name_of(module: Path) -> str:
    words = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def imports_of(module: Path, *, at_load: bool = False) -> Iterator[str]:
    """Every module that a module imports; `at_load`: only those imported with it."""
    tree = ast.parse(module.read_text())
    for node in at_module_level(tree) if at_load else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: imports of this package are written in full"
            yield str(node.module)
            if node.module == "tracker_ros" or (
                str(node.module).startswith("tracker_ros.")
                and (ROOT / str(node.module).replace(".", "/")).is_dir()
            ):
                for alias in node.names:
                    path = ROOT / str(node.module).replace(".", "/") / alias.name
                    if path.is_dir() or path.with_suffix(".py").is_file():
                        yield f"{node.module}.{alias.name}"


def at_module_level(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from at_module_level(node)


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


# --- walls ---------------------------------------------------------------------------------------


def test_only_nodes_import_ros() -> None:
    importing = {
        room_of(name_of(module))
        for module in MODULES
        for name in imports_of(module)
        if ROS_PACKAGE.fullmatch(name.split(".")[0]) or re.match(r"tracker_ros\.(msg|srv)\b", name)
    }
    assert importing == {"nodes"}


def test_only_networks_and_training_import_torch_when_they_are_loaded() -> None:
    importing = {
        room_of(name_of(module))
        for module in MODULES
        for name in imports_of(module, at_load=True)
        if name.split(".")[0] == "torch"
    }
    assert importing == {"networks", "training"}


def test_imports_point_down() -> None:
    upward = []
    for module in MODULES:
        name = name_of(module)
        room = room_of(name)
        assert not room or room in ROOMS, f"a new room: where does {room} stand? ROOMS says"
        for imported in imports_of(module):
            target = room_of(imported)
            if not imported.startswith("tracker_ros.") or target in (room, "msg", "srv"):
                continue
            lower = not room or ROOMS[target] < ROOMS[room]
            if not lower and imported not in EXCEPTIONS.get(name, ()):
                upward.append(f"{name} imports {imported}, which stands no lower")
    assert not upward


def test_the_images_that_a_bag_reader_needs_know_no_ros() -> None:
    code = (
        "import sys; import tracker_ros.demo.bag; sys.exit('rclpy' in sys.modules or "
        "any(name.endswith('_msgs') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_file_is_read_in_a_few_minutes() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in MODULES}
    too_long = {path: n for path, n in lengths.items() if n > 320}
    assert not too_long


# --- manifests -----------------------------------------------------------------------------------


def test_the_manifest_is_one_that_colcon_takes(manifest: ET.Element) -> None:
    assert manifest.get("format") == "3"
    assert manifest.findtext("name") == "tracker_ros"
    assert manifest.findtext("export/build_type") == "ament_cmake"
    assert manifest.findtext("member_of_group") == "rosidl_interface_packages"
    for maintainer in manifest.findall("maintainer"):
        # colcon drops a package with an invalid address without a word
        assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", maintainer.get("email", ""))
    assert manifest.findtext("license") == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_colcon_finds_vision_msgs_only_when_it_is_asked_to() -> None:
    # It ignores a folder that holds the marker even where --paths names that folder.
    assert (ROOT / "underlay" / "COLCON_IGNORE").is_file()
    assert not (ROOT / "underlay" / "vision_msgs" / "COLCON_IGNORE").exists()


def test_there_is_one_version(manifest: ET.Element) -> None:
    version = manifest.findtext("version")
    assert version == tracker_ros.__version__
    changelog = (ROOT / "CHANGELOG.rst").read_text()
    sections = re.findall(r"^(.+)\n-{3,}$", changelog, re.MULTILINE)
    released = [section.split()[0] for section in sections if section != "Forthcoming"]
    assert sections[0] == "Forthcoming" or released[0] == version
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", number) for number in released)


def test_every_ros_package_that_is_imported_is_a_dependency(manifest: ET.Element) -> None:
    declared = {
        str(element.text) for tag in ("depend", "exec_depend") for element in manifest.iter(tag)
    }
    imported = {name.split(".")[0] for module in MODULES for name in imports_of(module)}
    needed = {name for name in imported if ROS_PACKAGE.fullmatch(name)}
    assert "rclpy" in needed
    assert needed - declared == set()


def test_every_interface_package_is_found_by_cmake(manifest: ET.Element) -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text()
    for element in (*manifest.iter("depend"), *manifest.iter("buildtool_depend")):
        assert f"find_package({element.text} REQUIRED)" in cmake


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").iterdir()), ids=lambda path: path.name)
def test_a_script_can_be_run_and_is_installed(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env python3"
    assert len(lines) <= 6, "what it does belongs into the package"
    cmake = re.sub(r"\s+", " ", (ROOT / "CMakeLists.txt").read_text())
    assert "file(GLOB scripts CONFIGURE_DEPENDS scripts/*)" in cmake
    assert "install(PROGRAMS ${scripts} DESTINATION lib/${PROJECT_NAME})" in cmake


def test_the_scripts_are_what_the_launch_file_starts() -> None:
    launch = (ROOT / "launch" / "sot.launch.py").read_text()
    started = set(re.findall(r'executable="(\w+)"', launch))
    assert started == {"sot_node", "camera_node"}
    assert started <= {path.name for path in (ROOT / "scripts").iterdir()}


@pytest.mark.parametrize("file", sorted((ROOT / "launch").iterdir()), ids=lambda path: path.name)
def test_a_launch_file_starts_scripts_and_reads_a_file_of_parameters_that_there_are(
    file: Path,
) -> None:
    text = file.read_text()
    started = set(re.findall(r'executable="(\w+)"', text))
    assert started and started <= {path.name for path in (ROOT / "scripts").iterdir()}
    read = set(re.findall(r'"config", "([\w.]+)"', text))
    assert read and read <= {path.name for path in (ROOT / "config").iterdir()}


# --- requirements --------------------------------------------------------------------------------


def requirements(file: str) -> list[str]:
    lines = (ROOT / "requirements" / file).read_text().splitlines()
    return [line for line in (line.split("#")[0].strip() for line in lines) if line]


@pytest.mark.parametrize("file", [*GROUPS, "constraints.txt"])
def test_what_run_installs_is_pinned(file: str) -> None:
    pinned = re.compile(r"[\w.-]+(\[[\w,]+\])?==[\w.]+(; python_version [<>]=? \"3\.\d+\")?")
    loose = [line for line in requirements(file) if not pinned.fullmatch(line)]
    assert not loose


@pytest.mark.parametrize("file", GROUPS)
def test_constraints_agree_with_the_requirements(file: str) -> None:
    constraints = set(requirements("constraints.txt"))
    lines = [re.sub(r"\[.*\]", "", line) for line in requirements(file)]
    assert [line for line in lines if line not in constraints and "torch" not in line] == []


def test_the_package_asks_for_what_run_installs() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block is not None
    asked = set(re.findall(r'"([\w-]+)', block[1]))
    installed = {re.split(r"[=;\[]", line)[0] for line in requirements("run.txt")}
    # with contrib, for the trackers to compare with: docs/dependencies.md
    installed = {name.replace("opencv-contrib-", "opencv-") for name in installed}
    assert asked == installed


# --- what is committed ---------------------------------------------------------------------------


BINARY = (".onnx", ".safetensors", ".jpg", ".png", ".mp4")


def test_no_committed_file_names_a_place_on_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    found = []
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or path.suffix in BINARY:
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if re.search(r"(?<![\w.])/(home|root|Users|work)/\w", line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found
