"""Names of the topics beside a camera's images."""

import pytest

from tracker_ros.nodes.names import camera_info_topic, compressed_topic


@pytest.mark.parametrize("image", ["/front/image_raw", "/front/image_raw/compressed"])
def test_beside_an_image_topic_are_its_compressed_images_and_its_camera_info(image: str) -> None:
    assert compressed_topic(image) == "/front/image_raw/compressed"
    assert camera_info_topic(image) == "/front/camera_info"


def test_a_topic_without_a_namespace_has_its_camera_info_at_the_top() -> None:
    assert camera_info_topic("/image") == "/camera_info"
