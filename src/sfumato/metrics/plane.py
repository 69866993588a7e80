"""What a plane of codes looks like, in numbers: how tight the classes lie, how they overlap."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class CodePlane:
    """`compactness[k]`: the mean distance of class k's codes to their centre, over the mean distance between centres
    (small = tight). `neighbour_accuracy`: the share of codes whose nearest other code has the same class; `chance` is
    that share for shuffled labels. `overlaps`: pairs of classes with the share of the first's codes whose nearest
    other code belongs to the second, largest first. `low`, `high`: the occupied range, per dimension.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    compactness: tuple[float, ...]
    neighbour_accuracy: float
    chance: float
    overlaps: tuple[tuple[int, int, float], ...]


def describe_codes(codes: Tensor, labels: Tensor) -> CodePlane:
    """The numbers of (n, d) `codes` with class `labels` (n,); at least two classes of at least two codes."""
    from sklearn.neighbors import NearestNeighbors

    points, classes = codes.double().cpu(), labels.cpu()
    count = int(classes.max()) + 1
    centres = torch.stack([points[classes == k].mean(0) for k in range(count)])
    apart = torch.pdist(centres).mean()
    spread = [float((points[classes == k] - centres[k]).norm(dim=1).mean() / apart) for k in range(count)]
    found = NearestNeighbors(n_neighbors=2).fit(points.numpy()).kneighbors(return_distance=False, n_neighbors=1)
    nearest = classes.numpy()[np.asarray(found)[:, 0]]
    own = classes.numpy()
    shares = np.zeros((count, count))
    np.add.at(shares, (own, nearest), 1)
    frequency = np.bincount(own, minlength=count) / len(own)
    shares /= shares.sum(1, keepdims=True)
    pairs = [(a, b, float(shares[a, b])) for a in range(count) for b in range(count) if a != b]
    return CodePlane(
        low=tuple(points.min(0).values.tolist()),
        high=tuple(points.max(0).values.tolist()),
        compactness=tuple(spread),
        neighbour_accuracy=float((nearest == own).mean()),
        chance=float((frequency**2).sum()),
        overlaps=tuple(sorted(pairs, key=lambda pair: -pair[2])),
    )
