"""Training pairs: a template crop and a search crop of the same target (or of another one).

Spatial-aware sampling: the target is anywhere within `shift` pixels of the middle of the
search crop and up to `scale` larger or smaller than the tracker expects, so that the network
cannot learn that targets sit in the middle (SiamRPN++, section 3). What else is changed, and how
often, `Sampling` says.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from tracker_ros.geometry import UInt8Image
from tracker_ros.training import augment, composites
from tracker_ros.training.distributed import rank
from tracker_ros.training.pictures import Collection
from tracker_ros.training.sampling import Sampling
from tracker_ros.training.targets import Drawn, Film, Targets
from tracker_ros.training.task import Batch
from tracker_ros.training.views import (
    CropBox,
    Subject,
    View,
    box_in,
    middle_of,
    mirrored_in,
    transform_of,
    warp,
    zoom_of,
)

Generator = np.random.Generator
PATCH = 96
"""Side of the picture that a strip is cut of, in pixels."""


@dataclass(frozen=True)
class Pair:
    """A pair of crops, uint8 BGR; boxes are cx, cy, w, h of the target in pixels of their crop."""

    template: UInt8Image
    template_box: CropBox
    search: UInt8Image
    box: CropBox
    positive: bool
    scenes: tuple[Hashable, Hashable]
    """The video or picture of either crop; only crops of the same one may show the same target."""


class PairSampler:
    """Draws pairs from a collection. Raises DataError when there is nothing to draw."""

    def __init__(self, collection: Collection, sampling: Sampling) -> None:
        self._sampling = sampling
        self._targets = Targets(collection, sampling)

    def draw(self, rng: Generator) -> Pair:
        """One pair; the same for a generator in the same state.

        What is shown, where, what is added and in which light are drawn from generators of their
        own, and so is each of what is added: switching one augmentation on or off leaves the rest
        of a pair as it was.
        """
        s = self._sampling
        *seeds, behind_first, behind_second = map(int, rng.integers(2**63, size=6))
        what, where, added, light = map(np.random.default_rng, seeds)
        drawn = self._targets.draw(what)
        other = self._targets.another(drawn, what) if what.random() < s.negative else None
        shown, positive = other or drawn, other is None

        flip, mirror = bool(where.random() < s.flip), bool(where.random() < s.mirror)
        pasted = bool(where.random() < s.paste) and positive
        crop = partial(self._crop, (drawn, shown), mirror=mirror, pasted=pasted)
        view = self._template_view(drawn.first, where, flip)
        template, template_box = crop(drawn.first, view, behind_first)
        view = self._search_view(shown, where, flip)
        search, box = crop(shown.second, view, behind_second)
        self._add_objects(search, box, drawn, shown, added)
        template, search = self._in_light(template, search, light)
        scenes = (self._targets.scene(drawn.source), self._targets.scene(shown.source))
        return Pair(template, template_box, search, box, positive, scenes)

    def _template_view(self, subject: Subject, rng: Generator, flip: bool) -> View:
        s, size = self._sampling, self._sampling.template_size
        zoom = zoom_of(subject.box, s, size) * (1 + rng.uniform(-1, 1) * s.template_scale)
        return View(size, _place(rng, size, s.template_shift), (zoom, zoom), flip=flip)

    def _search_view(self, shown: Drawn, rng: Generator, flip: bool) -> View:
        s, size = self._sampling, self._sampling.search_size
        change = rng.uniform(-1, 1) * s.scale + rng.normal() * s.scale_spread
        zoom = zoom_of(shown.second.box, s, size) * math.exp(change)
        stretch = math.exp(rng.normal() * s.stretch)
        moves = isinstance(shown.source, Film)
        degrees = rng.uniform(-1, 1) * (s.rotate if moves else s.still_rotate)
        slope = rng.uniform(-1, 1, 2) * (s.perspective if moves else s.still_perspective)
        return View(
            size, _place(rng, size, s.shift), (zoom * stretch, zoom / stretch),
            math.radians(degrees), (float(slope[0]), float(slope[1])), flip,
        )  # fmt: skip

    def _crop(
        self, targets: tuple[Drawn, Drawn], subject: Subject, view: View, seed: int, *,
        mirror: bool, pasted: bool,
    ) -> tuple[UInt8Image, CropBox]:  # fmt: skip
        """A crop of a subject without further objects; another picture in it shows no target.

        Which picture that is, the seed alone decides.
        """
        transform = transform_of(middle_of(subject.box), view)
        image, size = subject.image, view.size
        # What is beyond the border is mirrored, unless that shows the target a second time: a copy
        # would be taught as not the target. Another picture stands there then.
        twice = mirror and mirrored_in(subject.box, image.shape, transform, size)
        ground: UInt8Image | None = None
        if twice or (pasted and subject.mask is not None):
            rng = np.random.default_rng(seed)
            picture = self._targets.picture(rng, *targets)
            if picture is not None:
                ground = composites.background(picture, rng, size)
        if twice:
            beyond = subject.mean if ground is None else ground.copy()
        else:
            beyond = None if mirror else subject.mean
        crop = warp(image, transform, size, beyond)
        if pasted and ground is not None and subject.mask is not None:
            crop = composites.paste_over(crop, ground, subject, transform)
        return crop, box_in(subject, view, transform)

    def _add_objects(
        self, search: UInt8Image, box: CropBox, drawn: Drawn, shown: Drawn, rng: Generator
    ) -> None:
        """Distractors beside the target and occluders before it, in place."""
        s, targets = self._sampling, self._targets
        distractor, look_alike, strip, thing = augment.switched(
            rng, (s.distractor, s.look_alike, s.occluder, s.occluding_object)
        )
        if distractor is not None:
            other = targets.object(distractor, drawn, shown)
            if other is not None:
                composites.distract(search, box, other, distractor, recolour=False)
        if look_alike is not None:
            other, itself = targets.alike(drawn, shown, look_alike)
            composites.distract(search, box, other, look_alike, recolour=itself)
        if strip is not None:
            picture = targets.picture(strip, drawn, shown)
            if picture is not None:
                patch = composites.background(picture, strip, PATCH)
                composites.occlude_by_strip(search, box, patch, strip)
        if thing is not None:
            other = targets.object(thing, drawn, shown)
            if other is not None:
                composites.occlude_by_object(search, box, other, thing)

    def _in_light(
        self, template: UInt8Image, search: UInt8Image, rng: Generator
    ) -> tuple[UInt8Image, UInt8Image]:
        """Both crops as a camera gives them: colours they share, darkness, lost detail, grey."""
        s = self._sampling
        colour, dark, grey = augment.switched(rng, (s.colour > 0, s.dark, s.grey))
        if colour is not None:
            table = augment.colour_table(colour, s.colour)
            template, search = (augment.recoloured(crop, table) for crop in (template, search))
        if dark is not None:
            night = augment.night_table(dark)
            search = augment.recoloured(search, night)
            if dark.random() < 0.5:
                template = augment.recoloured(template, night)
        template, search = (augment.degrade(c, rng, s) for c in (template, search))
        if grey is not None:
            template, search = augment.grey(template), augment.grey(search)
        return template, search


class PairBatches(Dataset[Batch]):
    """Batches of pairs by step, without end: item i is the whole batch of step i.

    It depends on the seed, the step and the process of a distributed run alone: not on the number
    of workers, nor on what was drawn before.
    """

    def __init__(self, collection: Collection, sampling: Sampling, batch: int, seed: int) -> None:
        self._sampler = PairSampler(collection, sampling)
        self._batch, self._seed = batch, seed

    def __getitem__(self, step: int) -> Batch:
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # the workers are the threads
        rng = np.random.default_rng((self._seed, step, rank()))
        pairs = [self._sampler.draw(rng) for _ in range(self._batch)]
        numbers: dict[Hashable, int] = {}
        scenes = [[numbers.setdefault(s, len(numbers)) for s in pair.scenes] for pair in pairs]
        return Batch(
            template=torch.from_numpy(np.stack([pair.template for pair in pairs])),
            template_box=torch.tensor([pair.template_box for pair in pairs], dtype=torch.float32),
            search=torch.from_numpy(np.stack([pair.search for pair in pairs])),
            box=torch.tensor([pair.box for pair in pairs], dtype=torch.float32),
            positive=torch.tensor([pair.positive for pair in pairs]),
            scenes=torch.tensor(scenes),
        )


def _place(rng: Generator, size: int, shift: float) -> tuple[float, float]:
    """A point at most `shift` from the middle of a crop, along x and along y."""
    x, y = (size - 1) / 2 + rng.uniform(-1, 1, 2) * shift
    return float(x), float(y)
