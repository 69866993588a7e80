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
import warnings
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
from ..seeds import derive
from ..weights.load import read_weights
from .reconstruction import in_chunks

SIDE = 128  # pixels, to which images are brought
NUMBERS = 512
SUBSETS = 100
SUBSET = 1000  # images in each subset of the kernel distance, or four fifths of the smaller set
UNUSUAL = 0.05
AT_ONCE = 50  # images that the Inception network, which enlarges them to 299², is given


class Features(nn.Module):
    """What a network sees of an image, whatever its place: (b, c, h, w) in [0, 1] to (b, numbers).

    `source` is nothing, a name or a file:
    - nothing: means and deviations of the 256 maps of relu4_1 of the encoder that comes with this package, which was
      trained on 1,605 photographs and 1,527 paintings;
    - `efficientnet_lite0`: means of the 1,280 maps of its last convolution, which ImageNet's classes are told from;
    - a file of torchvision's `squeezenet1_0` or `squeezenet1_1` (safetensors, or .pth read without unpickling code):
      means of its last 512 maps.
    Raises SfumatoError for a file that is none, or a network whose weights are not installed.
    """

    def __init__(self, source: str | Path | None = None) -> None:
        super().__init__()
        self.encoder, self.layer, called = _network(source)
        self.requires_grad_(False).eval()
        self.name = f"{called} ({fingerprint(*self.encoder.state_dict().values())}), {SIDE}×{SIDE}"

    def forward(self, images: Tensor) -> Tensor:
        colours = images.expand(-1, 3, -1, -1)
        sized = F.interpolate(colours, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        maps = self.encoder(sized, (self.layer,))[self.layer]
        return torch.cat(moments(maps), 1).flatten(1) if self.encoder.name == "sfumato" else maps.mean((2, 3))

    def of(self, images: Tensor) -> Tensor:
        """Features (n, numbers) of any number of images, on the CPU."""
        return in_chunks(lambda chunk: self(chunk.to(self.encoder.units.mean.device)), images)


def _network(source: str | Path | None) -> tuple[Encoder, str, str]:
    """The network that `source` names, the layer that is looked at, and what it is called."""
    if not source:
        return build_encoder("sfumato").load(), "relu4_1", "the encoder of Sfumato"
    if str(source) == EFFICIENTNET:
        return build_encoder(EFFICIENTNET).load(), "head", "EfficientNet-Lite0"
    path = Path(source)
    first = read_weights(path).get("features.0.weight", torch.zeros(0))
    squeezenet = build_encoder("squeezenet1_1" if first.shape[:1] == (64,) else "squeezenet1_0")
    return squeezenet.load(path), "fire9", path.name


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


class _AsTheyAre(nn.Module):
    """torchmetrics takes images and a network; this one lets ready-made features pass. What is measured here is
    measured by one process, which must not wait for others."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.num_features = numbers

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(first: Tensor, second: Tensor) -> float:
    """Fréchet distance of (n, d) and (m, d) features."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_AsTheyAre(first.shape[1]), sync_on_compute=False).set_dtype(
        torch.float64
    )
    metric.update(first.double(), real=True)
    metric.update(second.double(), real=False)
    return float(metric.compute())


def kernel(first: Tensor, second: Tensor, seed: int = 0) -> tuple[float, float]:
    """Kernel distance of (n, d) and (m, d) features: mean and standard deviation over 100 subsets.

    A subset has 1,000 images of each set, or four fifths of the smaller set if that is less.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(SUBSET, len(first) * 4 // 5, len(second) * 4 // 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps all features: it must
        metric = KernelInceptionDistance(
            feature=_AsTheyAre(first.shape[1]), subsets=SUBSETS, subset_size=size, sync_on_compute=False
        )
    metric.update(first, real=True)
    metric.update(second, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "subsets"))
        mean, spread = metric.compute()
    return float(mean), float(spread)


def nearest_distance(images: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """For each image the closest of `among`: its row, and the root mean squared difference per pixel. Both (n,)."""
    distances, rows = torch.cdist(images.flatten(1), among.flatten(1)).min(1)
    return rows, distances / images[0].numel() ** 0.5


@dataclass(frozen=True)
class Comparison:
    """How a set of images lies to held-out ones: `frechet`; `kernel` with its `spread` over subsets; for each image its
    nearest known image (`rows`), `nearest` the median root mean squared difference to it, and `closer` the share of
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

    def __init__(self, real: Tensor, known: Tensor, features: Features, seed: int) -> None:
        self.known, self.features, self.seed = known, features, seed
        found = features.of(real)
        self.scale = found.square().mean().rsqrt()
        self.real = self.scale * found
        _, distances = nearest_distance(real, known)
        self.usual, self.limit = float(distances.median()), float(distances.quantile(UNUSUAL))

    def measure(self, images: Tensor) -> Comparison:
        found = self.scale * self.features.of(images)
        mean, spread = kernel(self.real, found, self.seed)
        rows, distances = nearest_distance(images, self.known)
        return Comparison(
            frechet(self.real, found), mean, spread, rows, float(distances.median()),
            float((distances < self.limit).float().mean()),
        )  # fmt: skip
