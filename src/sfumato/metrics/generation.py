"""How good made images are: as near to real ones as real ones are to one another, and all kinds of them.

Every measure is taken against the same held-out real images, and means nothing without their number, the network it
was taken with and the floor: what real training images score. For digits the network is a classifier of ours, and the
Fréchet distance is called FCD (Fréchet classifier distance); it is not FID, which is defined by an Inception network
and says little about digits.
- `fcd`, `kernel`: see `distance`; features scaled so that those of the real images have mean square 1.
- `score`: the classifier's exp(mean KL(p(y|x) ‖ p(y))), from 1 to the number of classes (Salimans et al. 2016,
  https://arxiv.org/abs/1606.03498, with this classifier in place of Inception).
- `entropy`: of the histogram of classes, as a share of the real images' one. `covered`: classes that make up at least
  a tenth of their share in the real images. `confident`: share read with a confidence of 0.9 or more.
- `precision`, `recall` (Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991) and `density`, `coverage` (Naeem et
  al. 2020, https://arxiv.org/abs/2002.09797): by balls around features that reach to the 5th nearest neighbour.
"""

from typing import Protocol

import torch
from torch import Tensor

from ..data.dataset import fingerprint
from .digit_reader import CONFIDENT, FEATURES, READ, DigitReader, as_read
from .distance import Features, frechet, kernel_value, similarities
from .kept import kept
from .reconstruction import in_chunks

NEIGHBOURS = 5
COVERED = 0.1


class Judge(Protocol):
    """Measures sets of images against the real ones that it was made with. `name`: of the network, with its hash."""

    name: str

    def see(self, images: Tensor) -> Tensor:
        """What the network sees of images (n, c, h, w) in [0, 1]: a row each."""
        ...

    def measure(self, seen: Tensor, quick: bool = False) -> dict[str, float]:
        """The measures of the images of which this is seen; `quick` leaves out what is slow."""
        ...

    def apart(self, seen: Tensor, others: Tensor) -> Tensor:
        """(n,): the squared distance of what is seen of each image from what is seen of another, over that of a real
        image from 0."""
        ...


class DigitJudge:
    """A classifier's view of 28×28 grey images."""

    def __init__(self, reader: DigitReader, accuracy: float, real: Tensor) -> None:
        self.reader = reader
        sized = "" if real.shape[1:] == READ else f" at {READ[1]}×{READ[2]}"
        self.name = f"LeNet-{FEATURES} ({reader.hash()}, reads {accuracy:.2%} of the test images right{sized})"
        features, self.real_chances = self._parted(self.see(real))
        self.scale = features.square().mean().rsqrt()
        self.real = self.scale * features

    def see(self, images: Tensor) -> Tensor:
        """(n, FEATURES + classes): features, and probabilities of classes."""
        device = next(self.reader.parameters()).device

        def of(chunk: Tensor) -> Tensor:
            features = self.reader.features(as_read(chunk.to(device))).float()
            return torch.cat([features, self.reader.classify(features).softmax(1)], 1)

        return in_chunks(of, images)

    def _parted(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        return seen[:, :FEATURES], seen[:, FEATURES:]

    def measure(self, seen: Tensor, quick: bool = False) -> dict[str, float]:
        features, chances = self._parted(seen)
        features = self.scale * features
        shares, real = class_shares(chances), class_shares(self.real_chances)
        return {
            "fcd": frechet(self.real, features),
            **({} if quick else {"kernel": kernel_value(self.real, features, within(self.name, self.real))}),
            "score": classifier_score(chances),
            "entropy": entropy(shares) / entropy(real) if entropy(real) else 1.0,
            "covered": float(((shares >= COVERED * real) & (real > 0)).sum()),
            "confident": float((chances.max(1).values >= CONFIDENT).float().mean()),
        }

    def apart(self, seen: Tensor, others: Tensor) -> Tensor:
        return (self.scale * (seen - others)[:, :FEATURES]).square().mean(1)

    def among(self, seen: Tensor) -> dict[str, float]:
        """Precision, recall, density and coverage, among as many real images."""
        return neighbourhoods(self.real[: len(seen)], self.scale * self._parted(seen)[0])

    def chances(self, seen: Tensor) -> Tensor:
        """(n, classes): how likely each class is."""
        return self._parted(seen)[1]

    def accuracy(self, seen: Tensor, labels: Tensor) -> float:
        """The share of images that are read as what they were asked to be."""
        return float((self._parted(seen)[1].argmax(1) == labels).float().mean())


class PictureJudge:
    """An image network's view of photographs of any size."""

    def __init__(self, features: Features, real: Tensor) -> None:
        self.features, self.name = features, features.name
        found = features.of(real)
        self.scale = found.square().mean().rsqrt()
        self.real = self.scale * found

    def see(self, images: Tensor) -> Tensor:
        return self.features.of(images)

    def apart(self, seen: Tensor, others: Tensor) -> Tensor:
        return (self.scale * (seen - others)).square().mean(1)

    def measure(self, seen: Tensor, quick: bool = False) -> dict[str, float]:
        features = self.scale * seen
        distance = {"frechet": frechet(self.real, features)}
        if quick:
            return distance
        alike = kernel_value(self.real, features, within(self.name, self.real))
        return {**distance, "kernel": alike, **neighbourhoods(self.real, features)}


def within(network: str, real: Tensor) -> float:
    """The mean kernel between real images, of which `network` has these features."""
    found = kept(lambda: {"real": {"kernel": float(similarities(real).mean())}}, "within", network, fingerprint(real))
    return found["real"]["kernel"]


def class_shares(chances: Tensor) -> Tensor:
    """(classes,): the share of the images (n, classes) that is read as each class."""
    return chances.argmax(1).bincount(minlength=chances.shape[1]) / len(chances)


def entropy(shares: Tensor) -> float:
    """-Σ p log p, in nats."""
    return float(torch.special.entr(shares.double()).sum())


def classifier_score(chances: Tensor) -> float:
    """exp of the mean Kullback-Leibler divergence of p(y|x), a row for each image, from their mean p(y)."""
    chances = chances.double()
    return float((torch.special.entr(chances.mean(0)).sum() - torch.special.entr(chances).sum(1).mean()).exp())


def neighbourhoods(real: Tensor, made: Tensor, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage of features (n, d) and (m, d)."""
    neighbours = min(neighbours, len(real) - 1, len(made) - 1)
    of_real, of_made = (_radii(features, neighbours) for features in (real, made))
    apart = torch.cdist(real, made)
    inside = apart <= of_real[:, None]
    return {
        "precision": float(inside.any(0).float().mean()),
        "recall": float((apart <= of_made[None]).any(1).float().mean()),
        "density": float(inside.float().sum(0).mean() / neighbours),
        "coverage": float(inside.any(1).float().mean()),
    }


def _radii(features: Tensor, neighbours: int) -> Tensor:
    """(n,): how far each one's `neighbours`-th nearest neighbour is, itself not counted."""
    return torch.cdist(features, features).kthvalue(neighbours + 1, dim=1).values
