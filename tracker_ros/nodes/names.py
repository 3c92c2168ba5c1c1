"""Names of the topics beside a camera's images, as image_transport and camera_info_manager give."""

from __future__ import annotations

_COMPRESSED = "/compressed"


def compressed_topic(image: str) -> str:
    """Where the images of the topic `image` (resolved) are published compressed."""
    return image if image.endswith(_COMPRESSED) else image + _COMPRESSED


def base_topic(image: str) -> str:
    """The topic beside which the images of the topic `image` (resolved) lie compressed."""
    return image.removesuffix(_COMPRESSED)


def camera_info_topic(image: str) -> str:
    """Where the camera of the topic `image` (resolved; raw or compressed) describes itself."""
    return base_topic(image).rsplit("/", 1)[0] + "/camera_info"
