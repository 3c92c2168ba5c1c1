"""Imports official weights: a checkpoint becomes a model of the user, or nothing changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tracker_ros.errors import ModelError
from tracker_ros.models.card import MODELS, Card, card_names, file_sha256, read_card, user_folder
from tracker_ros.models.reading import NAME
from tracker_ros.zoo.checkpoints import (
    COUNTERS,
    LAYOUTS,
    Weights,
    as_network_has_it,
    printable,
    read_weights,
)
from tracker_ros.zoo.shelf import make, put, require_free, staging

NOT_VERIFIED = "not verified: "
"""Begins what the card of an import says of the published weights, which these may not be."""
SCREEN = 10
"""Lines after which the first is said again at the end."""


class Imported(NamedTuple):
    """What has become of a checkpoint."""

    card: Path
    files: tuple[Path, ...]
    """Graphs and weights."""
    strangers: tuple[str, ...]
    """What the checkpoint names beside weights, and was left out; with no harm meant."""
    doubt: str
    """Why the weights may be others than those published for the model; empty: they are not."""


def import_weights(
    files: Sequence[Path], model: str, *, name: str = "", force: bool = False,
    tell: Callable[[str], None] = lambda _words: None,
) -> Imported:  # fmt: skip
    """Make the model `name` (default: that of the card) of a card and official weights.

    model: a published configuration, or the path of a card; tell: takes what is being done.
    Raises ModelError, and nothing has changed, when a file cannot be read, the weights do not fit
    the network, the graphs do not run, there is such a model already (without `force`), or the
    user's folder cannot be written.
    """
    base, folder = published(model), user_folder()
    layout = _layout(base)
    name = new_name(base, name, force=force)
    weights = [read_weights(file) for file in files]
    for each in weights:
        if each.alarming:
            tell(
                f"warning: {each.file} asks to run {', '.join(each.alarming)}: not done; only "
                "weights are taken from it. Do not open it with torch.load"
            )
    doubt = _doubt(base, files)
    network = network_with(base, layout, weights)
    tell("the weights fit; writing the graphs and trying them (a ResNet-50 takes a minute or two)")
    card = dataclasses.replace(_as_imported(base, files, doubt), name=name)
    with staging(folder) as stage:
        make(card, network, stage)
        put(name, stage, folder)
    path = folder / f"{name}.yaml"
    here = read_card(str(path))
    return Imported(
        path,
        (*(here.graph_path(role) for role in here.files), here.weights_path),
        tuple(dict.fromkeys(n for w in weights for n in w.strangers if n not in w.alarming)),
        doubt,
    )


def published(model: str) -> Card:
    """The card to import into: the package's, where there is one of that name."""
    shipped = MODELS / f"{model}.yaml"
    return read_card(str(shipped) if NAME.fullmatch(model) and shipped.is_file() else model)


def new_name(base: Card, name: str, *, force: bool) -> str:
    """The name of a model to be made, default: that of the card.

    Raises ModelError when it is none, or when there is such a model already (without `force`).
    """
    name = name or base.name
    if not NAME.fullmatch(name):
        raise ModelError(f"'{name}' is no name for a model: letters, digits, _, + and - make one")
    require_free(name, user_folder(), force=force)
    if not force and (MODELS / f"{name}.yaml").exists() and read_card(name).files:
        raise ModelError(
            f"'{name}' ships with the package; --as gives the imported model a name of its own, "
            "--force puts it before the one that ships"
        )
    return name


def network_with(card: Card, layout: str, weights: Sequence[Weights]) -> Any:
    """The network of a card with these weights. Raises ModelError that lists all that differs."""
    import torch

    from tracker_ros.networks.zoo import build_network

    network = build_network(card.tracker, card.network)
    tensors = as_network_has_it(layout, weights)
    unlike = differences(_shapes(network.state_dict()), _shapes(tensors))
    wrong = [*unlike]
    wrong += [
        f"not of real numbers: {printable(name)} is of {tensor.dtype}"
        for name, tensor in sorted(tensors.items())
        if not tensor.is_floating_point()
    ]
    wrong += [f"not a tensor: {name}" for w in weights for name in sorted(w.others)]
    if wrong:
        fitting = _fitting(weights, card.name) if unlike else ""
        whole = card.checkpoint.files if card.checkpoint is not None else ()
        hint = ""
        if fitting:
            hint = f"; they fit --model {fitting}"
        elif len(weights) < len(whole):
            hint = f"; the whole of them is {' and '.join(whole)}: give all these files"
        files = ", ".join(w.file.name for w in weights)
        verdict = f"the weights in {files} are not those of '{card.name}' (layout {layout}){hint}"
        lines = [f"{verdict}: {_counted(wrong)}; nothing was changed"]
        lines += [f"  {line}" for line in wrong]
        if len(wrong) > SCREEN:  # the first line has gone from the screen
            lines.append(f"all in all, {verdict}")
        raise ModelError("\n".join(lines))
    broken = sorted(n for n, t in tensors.items() if not bool(torch.isfinite(t.float()).all()))
    if broken:
        raise ModelError(
            f"weights are not finite in {len(broken)} of {len(tensors)} tensors, {broken[0]} "
            "among them: the file is damaged, or training had failed; nothing was changed"
        )
    network.load_state_dict({**network.state_dict(), **tensors})
    return network


def differences(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Every key that is missing, unexpected or of another shape, sorted, in words."""
    missing = [f"missing: {key} {shape}" for key, shape in expected.items() if key not in found]
    unexpected = [
        f"unexpected: {printable(key)} {shape}"
        for key, shape in found.items()
        if key not in expected
    ]
    other = [
        f"of another shape: {key} is {shape}, the network has {expected[key]}"
        for key, shape in found.items()
        if key in expected and shape != expected[key]
    ]
    return sorted(missing) + sorted(unexpected) + sorted(other)


def _shapes(tensors: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {
        key: tuple(value.shape)
        for key, value in tensors.items()
        if key.rpartition(".")[2] != COUNTERS
    }


def _counted(wrong: Sequence[str]) -> str:
    kinds = [line.partition(":")[0] for line in wrong]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _layout(card: Card) -> str:
    if card.checkpoint is not None:
        return card.checkpoint.layout
    if card.tracker not in LAYOUTS:
        raise ModelError(
            f"there are no official weights of the tracker '{card.tracker}' of model "
            f"'{card.name}' to import; there are of {', '.join(LAYOUTS)}"
        )
    return LAYOUTS[card.tracker]


def _fitting(weights: Sequence[Weights], but: str) -> str:
    """The name of another model whose network these weights fit, or nothing."""
    import torch

    from tracker_ros.networks.zoo import build_network

    # Those that ship before others, which may be imports of the same weights.
    for name in sorted(card_names(), key=lambda name: not (MODELS / f"{name}.yaml").exists()):
        try:
            card = read_card(name)
            with torch.device("meta"):  # shapes alone
                expected = _shapes(build_network(card.tracker, card.network).state_dict())
            found = _shapes(as_network_has_it(_layout(card), weights))
        except ModelError:  # a card that cannot be read, or of another kind, is none that fits
            continue
        if name != but and expected == found:
            return name
    return ""


def _as_imported(base: Card, files: Sequence[Path], doubt: str) -> Card:
    """The card with where its weights come from; what is said of other weights is left out."""
    origin = " and ".join(f"{file.name} (sha256 {file_sha256(file)})" for file in files)
    if base.checkpoint is None:
        return dataclasses.replace(
            base,
            licence="not stated",
            trained_on=("not stated",),
            monitor={},
            measured={},
            notes=base.notes if base.origin else f"Network and tracking values of {base.name}.",
            origin=origin,
        )
    licence, trained_on = base.checkpoint.licence, base.trained_on
    if trained_on[:1] and trained_on[0].startswith(NOT_VERIFIED):  # the base was imported itself
        as_published, trained_on = trained_on[0].removeprefix(NOT_VERIFIED), trained_on[1:]
    else:
        as_published = f"as published for {base.name}, if these are those weights"
    if doubt:
        licence = f"{NOT_VERIFIED}{licence}, {as_published}"
        trained_on = (f"{NOT_VERIFIED}{as_published}", *trained_on)
        origin += ", not verified to be the published weights, of which the notes may speak"
    return dataclasses.replace(
        base,
        licence=licence,
        trained_on=trained_on,
        measured={} if doubt else base.measured,
        origin=origin,
    )


def _doubt(base: Card, files: Sequence[Path]) -> str:
    """Why the files may be others than those published for a card; empty where they are these."""
    if base.checkpoint is None:
        return ""
    named = set(base.checkpoint.sha256)
    if not named:
        return f"the card of {base.name} has no sha256 of them"
    found = {file_sha256(file): file for file in files}
    others = [str(file) for sha256, file in found.items() if sha256 not in named]
    if others:
        return f"the sha256 of {' and '.join(others)} is another than on the card of {base.name}"
    return "" if found.keys() == named else f"the card of {base.name} names more files"
