"""How far one set of pictures is from another, in the features of a named network.

Both distances depend on the network, the size that images are brought to and their number: `Features.name` and the
counts belong beside every value, and so does the distance between two sets of real images, which is not 0.
- `frechet`: of Gaussians fitted to the features (Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6). Biased
  upwards for few images.
- `kernel`: unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018,
  https://arxiv.org/abs/1801.01401). May be slightly negative for equal distributions.
Neither is the FID or KID that papers report: those use an Inception network. With its weights at hand, `frechet` of the
features of `Inception` is FID.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.dataset import fingerprint
from ..data.pictures import to_bytes
from ..errors import SfumatoError
from ..nets.encoders import EFFICIENTNET, Encoder, build_encoder
from ..ops.statistics import moments
from ..weights.load import read_weights
from .reconstruction import CHUNK, in_chunks

SIDE = 128
LAYERS = {  # that are looked at, and pixels of a side to which images are brought
    "sfumato": ("relu4_1", SIDE),
    "squeezenet1_0": ("fire9", SIDE),
    "squeezenet1_1": ("fire9", SIDE),
    "efficientnet_lite0": ("block16", 224),
}
ROWS = 1000  # of kernels that are computed at once
UNUSUAL = 0.05
AT_ONCE = 50  # images that a network is given that enlarges them to 224² or, as Inception does, to 299²


class Features(nn.Module):
    """What a network sees of an image, whatever its place: (b, c, h, w) in [0, 1] to (b, `numbers`).

    `source` is nothing, a name or a file:
    - nothing: means and deviations of the 256 maps of relu4_1 of the encoder that comes with this package, which was
      trained on 1,605 photographs and 1,527 paintings; images are brought to 128×128.
    - `efficientnet_lite0`: means of the 320 maps of its last block, at 224×224, which it was trained at. The 1,280 maps
      behind them say the same, but a Gaussian of so many numbers needs more images: of sets of 300, cats were 3.3 times
      as far from dogs as other dogs were with the 320, 1.8 times with the 1,280.
    - a file of torchvision's `squeezenet1_0` or `squeezenet1_1` (safetensors, or .pth read without unpickling code):
      means of its last 512 maps, at 128×128.
    Raises SfumatoError for a file that is none, or a network whose weights are not installed.
    """

    def __init__(self, source: str | Path | None = None) -> None:
        super().__init__()
        self.encoder, called = _network(source)
        self.layer, self.side = LAYERS[self.encoder.name]
        self.requires_grad_(False).eval()
        self.numbers = (2 if self.encoder.name == "sfumato" else 1) * self.encoder.channels(self.layer)
        self.name = f"{called} ({fingerprint(*self.encoder.state_dict().values())}), {self.side}×{self.side}"

    def forward(self, images: Tensor) -> Tensor:
        colours = images.expand(-1, 3, -1, -1)
        sized = F.interpolate(colours, size=(self.side,) * 2, mode="bilinear", align_corners=False, antialias=True)
        maps = self.encoder(sized, (self.layer,))[self.layer]
        return torch.cat(moments(maps), 1).flatten(1) if self.encoder.name == "sfumato" else maps.mean((2, 3))

    def of(self, images: Tensor) -> Tensor:
        """Features (n, `numbers`) of any number of images, on the CPU."""
        device = self.encoder.units.mean.device
        parts = images.split(CHUNK if self.side <= SIDE else AT_ONCE)
        return torch.cat([in_chunks(lambda chunk: self(chunk.to(device)), part) for part in parts])


def _network(source: str | Path | None) -> tuple[Encoder, str]:
    """The network that `source` names, and what it is called."""
    if not source:
        return build_encoder("sfumato").load(), "the encoder of Sfumato"
    if str(source) == EFFICIENTNET:
        faster = torch.channels_last  # by a third
        return build_encoder(EFFICIENTNET).load().to(memory_format=faster), "EfficientNet-Lite0"  # pyright: ignore[reportCallIssue]
    path = Path(source)
    first = read_weights(path).get("features.0.weight", torch.zeros(0))
    return build_encoder("squeezenet1_1" if first.shape[:1] == (64,) else "squeezenet1_0").load(path), path.name


class Inception(nn.Module):
    """The network of the FID, with the resizing that belongs to it, as the library torch-fidelity has both.

    `weights`: `weights-inception-2015-12-05-6726825d.pth` as that library fetches it, or the same as safetensors; read
    without unpickling code. Needs the extra `metrics`. Raises SfumatoError without it, or for a file that is none.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ModuleNotFoundError:
            raise SfumatoError("FID needs the library torch-fidelity: pip install 'sfumato[metrics]'") from None
        tensors = read_weights(weights)
        # The library would unpickle whatever the file holds: it gets one that was read safely and written again.
        with tempfile.TemporaryDirectory() as folder:
            safe = str(Path(folder) / "inception.pth")
            torch.save(tensors, safe)
            try:
                network = FeatureExtractorInceptionV3(
                    "inception-v3-compat", ["2048"], feature_extractor_weights_path=safe
                )
            except RuntimeError as error:
                first = str(error).splitlines()[0]
                raise SfumatoError(f"{weights}: not the weights of the FID's Inception network ({first})") from None
        self.network = network
        self.name = f"{weights.name} ({fingerprint(*tensors.values())})"

    def forward(self, images: Tensor) -> Tensor:
        return self.network(to_bytes(images.expand(-1, 3, -1, -1)).to(images.device))[0]

    def of(self, images: Tensor) -> Tensor:
        """Features (n, 2048) of images (n, c, h, w) in [0, 1], on the CPU."""
        device = next(self.parameters()).device
        return torch.cat([in_chunks(lambda chunk: self(chunk.to(device)), part) for part in images.split(AT_ONCE)])


def frechet(first: Tensor, second: Tensor) -> float:
    """Fréchet distance of (n, d) and (m, d) features: |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½) of their means and
    covariances (Heusel et al. 2017, https://arxiv.org/abs/1706.08500, equation 6)."""
    (mean, own), (other, covariance) = (
        (features.mean(0), features.T.cov()) for features in (first.double(), second.double())
    )
    values, vectors = torch.linalg.eigh(own)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # root C₂ root has the eigenvalues of C₁ C₂, and is symmetric.
    shared = torch.linalg.eigvalsh(root @ covariance @ root).clamp(min=0).sqrt().sum()
    return float((mean - other).square().sum() + own.trace() + covariance.trace() - 2 * shared)


def kernel(first: Tensor, second: Tensor, within: Tensor | None = None) -> tuple[float, float]:
    """Kernel distance of (n, d) and (m, d) features, and its standard error.

    The unbiased squared maximum mean discrepancy of all images (Gretton et al. 2012, equation 3,
    https://jmlr.org/papers/v13/gretton12a.html) with the kernel (x·y / d + 1)³ of Bińkowski et al. 2018,
    https://arxiv.org/abs/1801.01401, who take means over subsets instead; the error is that of first order.
    `within`: `similarities(first)`, if somebody has it.
    """
    within, others = similarities(first) if within is None else within, similarities(second)
    rows, columns = torch.zeros(len(first)).double(), torch.zeros(len(second)).double()
    for part, total in zip(first.split(ROWS), rows.split(ROWS), strict=True):
        values = _kernel(part, second)
        total += values.sum(1, dtype=torch.float64)
        columns += values.sum(0, dtype=torch.float64)
    across, back = rows / len(second), columns / len(first)
    value = within.mean() + others.mean() - 2 * across.mean()
    variance = 4 * (within - across).var() / len(first) + 4 * (others - back).var() / len(second)
    return float(value), float(variance.sqrt())


def kernel_value(first: Tensor, second: Tensor, within: float) -> float:
    """Kernel distance without its error; `within`: the mean of `similarities(first)`."""
    across = sum(_kernel(part, second).sum(dtype=torch.float64) for part in first.split(ROWS))
    others = similarities(second).mean()
    return float(within + others - 2 * across / (len(first) * len(second)))


def similarities(features: Tensor) -> Tensor:
    """float64 (n,): the mean kernel of each of (n, d) features with all others."""
    total = torch.cat([_kernel(part, features).sum(1, dtype=torch.float64) for part in features.split(ROWS)])
    own = (features.square().sum(1).double() / features.shape[1] + 1) ** 3
    return (total - own) / (len(features) - 1)


def _kernel(features: Tensor, others: Tensor) -> Tensor:
    values = (features @ others.T).div_(features.shape[1]).add_(1)
    return values.square().mul_(values)


def nearest_distance(images: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """For each image the closest of `among`: its row, and the root mean squared difference per pixel. Both (n,)."""
    distances, rows = torch.cdist(images.flatten(1), among.flatten(1)).min(1)
    return rows, distances / images[0].numel() ** 0.5


@dataclass(frozen=True)
class Comparison:
    """How a set of images lies to held-out ones: `frechet`; `kernel` with its standard error `spread`; for each image
    its nearest known image (`rows`), `nearest` the median root mean squared difference to it, and `closer` the share of
    images that lie closer to a known one than all but a twentieth of the held-out images do."""

    frechet: float
    kernel: float
    spread: float
    rows: Tensor
    nearest: float
    closer: float


class Yardstick:
    """Held-out images `real` that other sets are measured against, and the `known` images that training saw.

    Features are scaled so that those of the held-out images have mean square 1. `usual` is the median distance of a
    held-out image to its nearest known one, `limit` the distance that a twentieth of them stays below.
    """

    def __init__(self, real: Tensor, known: Tensor, features: Features) -> None:
        self.known, self.features = known, features
        found = features.of(real)
        self.scale = found.square().mean().rsqrt()
        self.real = self.scale * found
        self.within = similarities(self.real)
        _, distances = nearest_distance(real, known)
        self.usual, self.limit = float(distances.median()), float(distances.quantile(UNUSUAL))

    def measure(self, images: Tensor) -> Comparison:
        found = self.scale * self.features.of(images)
        mean, spread = kernel(self.real, found, self.within)
        rows, distances = nearest_distance(images, self.known)
        return Comparison(
            frechet(self.real, found), mean, spread, rows, float(distances.median()),
            float((distances < self.limit).float().mean()),
        )  # fmt: skip
