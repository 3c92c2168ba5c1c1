"""Overlap of polygons on an image: exact areas, for all frames at once.

Polygons are arrays of shape (frames, points, 2), pixels. One with fewer points than another in the
same array repeats its last point. They may be concave, and run round either way; one whose sides
cross counts the area it winds around. VOT's own toolkits draw the polygons and count pixels:
the two differ along the border, by less the larger a target is.
"""

from __future__ import annotations

import numpy as np

from tracker_ros.evaluation.metrics import FloatArray


def rectangles(boxes: FloatArray) -> FloatArray:
    """The corners of boxes x, y, w, h of shape (frames, 4), as polygons (frames, 4, 2)."""
    x, y = boxes[:, 0], boxes[:, 1]
    right, bottom = x + boxes[:, 2], y + boxes[:, 3]
    corners = [(x, y), (right, y), (right, bottom), (x, bottom)]
    return np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)


def polygon_overlaps(
    polygons: FloatArray, truth: FloatArray, size: tuple[float, float] | None = None
) -> FloatArray:
    """Intersection over union in [0, 1], shape (frames,); 0 where either is empty or nan.

    size: (width, height); both are first clipped to it, as in VOT. None: they are not.
    """
    known = np.isfinite(polygons).all(axis=(1, 2)) & np.isfinite(truth).all(axis=(1, 2))
    overlap = np.zeros(len(polygons))
    first, second = polygons[known], truth[known]
    if size is not None:
        first, second = clipped_polygons(first, *size), clipped_polygons(second, *size)
    intersection = intersection_areas(first, second)
    union = np.abs(signed_areas(first)) + np.abs(signed_areas(second)) - intersection
    # A bow tie winds around less than it covers: the sum may not exceed the whole.
    share = np.divide(intersection, union, out=np.zeros(len(first)), where=union > 0)
    overlap[known] = np.clip(share, 0, 1)
    return overlap


def signed_areas(polygons: FloatArray) -> FloatArray:
    """Areas, shape (frames,): positive where the points run from the x to the y axis."""
    # Relative to a point of its own: far from (0, 0) products of coordinates lose digits.
    x, y = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    twice = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
    return np.asarray(twice.sum(axis=1) / 2, np.float64)


def intersection_areas(first: FloatArray, second: FloatArray) -> FloatArray:
    """Areas that pairs of polygons share, shape (frames,).

    Each is a fan of triangles from its first point, of which those that lie outside count
    negative; the area is the sum over all pairs of triangles, which are convex.
    """
    total = np.zeros(len(first))
    for second_triangle in _fan(second):
        turn = np.sign(signed_areas(second_triangle))
        window = np.where((turn < 0)[:, None, None], second_triangle[:, ::-1], second_triangle)
        for first_triangle in _fan(first):
            part = first_triangle
            for corner in range(3):
                part = _clip(part, window[:, corner], window[:, (corner + 1) % 3])
            total += signed_areas(part) * turn
    return np.abs(total)


def clipped_polygons(polygons: FloatArray, width: float, height: float) -> FloatArray:
    """The parts of polygons on an image; an area of 0 where nothing is."""
    frame = rectangles(np.array([[0, 0, width, height]], np.float64))[0]
    for corner in range(4):
        ends = (frame[corner], frame[(corner + 1) % 4])
        start, end = (np.broadcast_to(point, (len(polygons), 2)) for point in ends)
        polygons = _clip(polygons, start, end)
    return polygons


def _fan(polygons: FloatArray) -> list[FloatArray]:
    """The triangles of polygons from their first points, each (frames, 3, 2)."""
    return [polygons[:, [0, last - 1, last]] for last in range(2, polygons.shape[1])]


def _clip(polygons: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """What of polygons is on the inner side of the lines from `start` to `end`, (frames, 2) each.

    Inner is where a polygon of positive area lies whose side this is (Sutherland and Hodgman,
    CACM 1974). The result has as many points as the largest of its polygons needs.
    """
    if not len(polygons):
        return polygons
    along = end - start
    offset = polygons - start[:, None]
    distance = along[:, None, 0] * offset[..., 1] - along[:, None, 1] * offset[..., 0]
    after, distance_after = np.roll(polygons, -1, axis=1), np.roll(distance, -1, axis=1)
    inside = distance >= 0
    crosses = inside != (distance_after >= 0)
    share = np.divide(
        distance, distance - distance_after, out=np.zeros_like(distance), where=crosses
    )
    crossing = polygons + share[..., None] * (after - polygons)
    # Every point is followed by the crossing of the side that begins there.
    frames, count = distance.shape
    points = np.stack([polygons, crossing], axis=2).reshape(frames, 2 * count, 2)
    kept = np.stack([inside, crosses], axis=2).reshape(frames, 2 * count)
    number = kept.sum(axis=1)
    order = np.argsort(~kept, axis=1, kind="stable")
    place = np.minimum(np.arange(max(int(number.max()), 1)), np.maximum(number - 1, 0)[:, None])
    result = np.take_along_axis(points, np.take_along_axis(order, place, axis=1)[..., None], axis=1)
    result[number == 0] = 0
    return result
