"""What of ROS 2 and its network is known to go wrong, as a table of rules."""

from __future__ import annotations

from tracker_ros.doctor.facts import Facts
from tracker_ros.doctor.rule import GITHUB, Rule

IMAGE = 1280 * 720 * 3
"""Bytes of a colour image that must fit a receive buffer: a smaller one loses parts of it."""
SHM_MB = 256
"""Of shared memory: our Fast DDS profile takes 64 MB a process."""
DOMAIN_DOCS = "https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Domain-ID.html"
DOMAINS = 232
"""The largest ROS_DOMAIN_ID there is."""
FREE_DOMAINS = (range(102), range(215, 233))
"""Those whose ports Linux does not give to others meanwhile."""


def _no_ros(facts: Facts) -> str:
    if facts.ros.distribution or facts.about("rclpy").here:
        return ""
    return "no ROS 2 in this shell: nodes do not start here; eval, replay, bench and models do"


def _other_python(facts: Facts) -> str:
    theirs, ours = facts.ros.python, facts.python.version
    if not theirs or ours.startswith(f"{theirs}."):
        return ""
    return f"ROS 2 {facts.ros.distribution} is for Python {theirs}, and this is Python {ours}"


def _rclpy(facts: Facts) -> str:
    library = facts.about("rclpy")
    if _no_ros(facts) or _other_python(facts) or _rmw(facts) or library.clash:
        return ""
    if not library.here:
        return f"ROS 2 {facts.ros.distribution} is sourced, but this Python finds no rclpy"
    return f"rclpy cannot be used: {library.trouble}" if library.trouble else ""


def _interfaces(facts: Facts) -> str:
    library = facts.about("interfaces")
    earlier = _no_ros(facts) or _other_python(facts) or _rclpy(facts)
    if earlier or not library.trouble or library.clash:
        return ""
    return f"the messages of tracker_ros cannot be imported: {library.trouble}"


def _make_interfaces(facts: Facts) -> str:
    if facts.ros.distribution and not facts.ros.vision_msgs:
        return (
            f"sudo apt install ros-{facts.ros.distribution}-vision-msgs, build tracker_ros, and "
            "source install/setup.bash"
        )
    return "build tracker_ros with this ROS 2 (colcon build) and source install/setup.bash"


def _rmw(facts: Facts) -> str:
    asked, there = facts.ros.rmw_asked, facts.ros.rmws
    if not asked or not there or asked in there:
        return ""
    return f"RMW_IMPLEMENTATION is {asked}, and installed are {', '.join(there)}"


def _install_rmw(facts: Facts) -> str:
    package = facts.ros.rmw_asked.replace("_", "-")
    distribution = facts.ros.distribution or "DISTRIBUTION"
    return f"sudo apt install ros-{distribution}-{package}, or unset RMW_IMPLEMENTATION"


def _no_domain(facts: Facts) -> str:
    text = facts.ros.domain_id
    if not text or (text.isascii() and text.isdecimal() and int(text) <= DOMAINS):
        return ""
    return f"ROS_DOMAIN_ID is '{text}', and it must be a whole number from 0 to {DOMAINS}"


def _busy_domain(facts: Facts) -> str:
    text = facts.ros.domain_id
    if not text or _no_domain(facts) or any(int(text) in free for free in FREE_DOMAINS):
        return ""
    return f"the ports of ROS_DOMAIN_ID {text} are among those that Linux hands out to others"


def _fast_dds(facts: Facts) -> bool:
    """Whether the middleware is Fast DDS, which is also what is taken unasked."""
    rmw = facts.ros.rmw or facts.ros.rmw_asked
    return "fastrtps" in (rmw or "rmw_fastrtps_cpp") and bool(facts.ros.distribution)


def _profile_gone(facts: Facts) -> str:
    if not facts.ros.profile or facts.ros.profile_here or not _fast_dds(facts):
        return ""
    return f"the file of Fast DDS profiles does not exist: {facts.ros.profile}"


def _no_profile(facts: Facts) -> str:
    if facts.ros.profile or not _fast_dds(facts):
        return ""
    return (
        "a camera driver started in this shell has 0.5 MB of shared memory in Fast DDS: of its "
        "1080p best-effort images one a second arrives (our own processes bring 64 MB)"
    )


def _small_buffer(facts: Facts) -> str:
    size = facts.kernel.rmem_max
    if size is None or size >= IMAGE or not facts.ros.distribution:
        return ""
    return (
        f"net.core.rmem_max is {size}: a raw 1280x720 image ({IMAGE} bytes) that comes from "
        "another machine loses parts"
    )


def _small_shm(facts: Facts) -> str:
    size = facts.kernel.shm_mb
    if size is None or size >= SHM_MB or not _fast_dds(facts):
        return ""
    where = " of this container" if facts.machine.container else ""
    return f"/dev/shm{where} has {size} MB, and every process with our profile takes 64 of it"


ROS_RULES = (
    Rule("ros-absent", "warning", _no_ros, "source /opt/ros/DISTRIBUTION/setup.bash, or ./run"),
    Rule(
        "ros-python", "error", _other_python,
        "use the Python that this ROS 2 is for; leave conda or pyenv in the shell of the nodes",
        (f"{GITHUB}ros2/rclpy/issues/1194",),
    ),
    Rule(
        "rmw-absent", "error", _rmw, _install_rmw,
        (f"{GITHUB}ros2/rmw_cyclonedds/issues/478",),
    ),
    Rule(
        "rclpy-broken", "error", _rclpy,
        "source the setup.bash of ROS 2 in this shell; if that was done, install its rclpy again",
        (f"{GITHUB}ros2/rclpy/issues/1144",),
    ),
    Rule("interfaces-absent", "error", _interfaces, _make_interfaces),
    Rule(
        "domain-none", "error", _no_domain,
        "export ROS_DOMAIN_ID=0, or another number up to 101",
        (DOMAIN_DOCS,),
    ),
    Rule(
        "domain-busy", "warning", _busy_domain,
        "choose one from 0 to 101 or from 215 to 232",
        (DOMAIN_DOCS,),
    ),
    Rule(
        "profile-gone", "warning", _profile_gone,
        "name a file that there is, such as the package's config/fastdds_shm.xml",
    ),
    Rule(
        "profile-none", "warning", _no_profile,
        "export FASTRTPS_DEFAULT_PROFILES_FILE (Kilted and later: FASTDDS_DEFAULT_PROFILES_FILE) "
        "= .../config/fastdds_shm.xml there, too",
        (f"{GITHUB}ros2/ros2/issues/946",),
    ),
    Rule(
        "rmem", "warning", _small_buffer,
        "sudo sysctl -w net.core.rmem_max=2147483647, and the same in /etc/sysctl.d; or send "
        "compressed images",
        (
            f"{GITHUB}ros2/rmw_cyclonedds/issues/512",
            f"{GITHUB}realsenseai/librealsense/issues/14928",
            "https://docs.ros.org/en/jazzy/How-To-Guides/DDS-tuning.html",
        ),
    ),
    Rule(
        "shm-small", "warning", _small_shm,
        "start the container with --ipc=host, or with --shm-size=1g",
        (f"{GITHUB}ros2/rmw_zenoh/issues/867",),
    ),
)  # fmt: skip
"""What of ROS 2 and its network goes wrong."""
