"""The anchor table of SiamRPN++ (specs, section 4)."""

import numpy as np

from tracker_ros.anchors import AnchorGrid


def test_shapes_are_those_of_the_specification() -> None:
    expected = [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]]
    assert AnchorGrid(25).shapes().tolist() == expected


def test_grids_are_centred_on_the_crop() -> None:
    for size, edge in ((25, 96), (21, 80), (97, 384), (17, 64)):
        table = AnchorGrid(size).table()
        assert table.shape == (4, 5, size, size)
        assert (table[0].min(), table[0].max()) == (-edge, edge)
        assert (table[1].min(), table[1].max()) == (-edge, edge)


def test_flattening_is_anchor_major_then_rows_then_columns() -> None:
    flat = AnchorGrid(21).table().reshape(4, -1)
    assert flat[:, 0].tolist() == [-80, -80, 104, 32]
    assert flat[:, 1].tolist() == [-72, -80, 104, 32]
    assert flat[:, 21].tolist() == [-80, -72, 104, 32]
    assert flat[:, 21 * 21].tolist() == [-80, -80, 88, 40]
    assert flat.dtype == np.float32
