"""What is lost by naming things wrongly, where classes are unbalanced or labels not quite to be trusted.

Logits are (n, k), class numbers (n,); those that are `ignored` count for nothing.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

RAREST = 1e-4  # share of a batch that a class counts as having at least
FOCUS = 2  # the exponent of the focal loss
TINY = 1e-6


def naming_loss(
    logits: Tensor, known: Tensor, balance: float = 0.0, smoothing: float = 0.0, focal: bool = False, ignored: int = -1
) -> Tensor:
    """The mean cross entropy; 0 where nothing is known.

    `balance`: a class that fills a share p of the batch weighs p^-balance in that mean. `smoothing`: the share of each
    label that is spread over all classes (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7). `focal`:
    each cross entropy times (1 - p)², p being the chance of what is true (Lin et al. 2017,
    https://arxiv.org/abs/1708.02002, equation 4).
    """
    common = {"ignore_index": ignored, "label_smoothing": smoothing}
    weights, whole = None, (known != ignored).sum()
    if balance:
        counts = known[known != ignored].bincount(minlength=logits.shape[1])
        weights = (counts / counts.sum().clamp(min=1)).clamp(min=RAREST) ** -balance
        whole = (weights * counts).sum()
    if focal:
        chance = torch.exp(-F.cross_entropy(logits, known, ignore_index=ignored, reduction="none"))
        each = F.cross_entropy(logits, known, weights, reduction="none", **common)
        total = ((1 - chance) ** FOCUS * each).sum()
    else:
        total = F.cross_entropy(logits, known, weights, reduction="sum", **common)
    return total / whole.clamp(min=RAREST)


def dice_loss(logits: Tensor, known: Tensor, ignored: int) -> Tensor:
    """1 less the mean over the classes that are there of 2|A∩B| / (|A| + |B|), with chances for what is said (Milletari
    et al. 2016, https://arxiv.org/abs/1606.04797, section 3); 0 where nothing is known."""
    chances = logits.softmax(1)[known != ignored]
    true = F.one_hot(known[known != ignored], logits.shape[1]).to(chances.dtype)
    both, sizes = (chances * true).sum(0), chances.sum(0) + true.sum(0)
    there = (true.sum(0) > 0).to(chances.dtype)
    share = (2 * both + TINY) / (sizes + TINY)
    return ((1 - share) * there).sum() / there.sum().clamp(min=1)
