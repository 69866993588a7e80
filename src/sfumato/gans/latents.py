"""How smooth a generator's latent spaces are, and how well they are sorted: Karras et al. 2019,
https://arxiv.org/abs/1812.04948, section 4.

- Path length: how fast pictures change along a way through the space, E d(G(t), G(t + ε)) / ε² with ε = 1e-4; from one
  z to another along their great circle, from one w to another straight; anywhere on the way, or at its `end`. As in the
  authors' code the largest and the smallest hundredth are left out. d is the squared distance of the features of the
  network at hand: lengths by different networks cannot be compared, and none can be with published ones.
- Separability: exp Σ H(Y|X) over the classes: Y, whether a classifier finds the class in a picture, X, on which side of
  the best plane through the space its latent lies. 1 where planes part all classes; less is better.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..engine.runtime import Runtime
from ..metrics.generation import DigitJudge, Judge
from ..seeds import derive
from .drawing import SEED, great_circle, make, painted
from .game import Adversarial
from .styled import Styled

STEP = 1e-4
TRIMMED = 0.01
RARE = 10  # pictures with or without a class, below which no plane is sought for it
Way = Callable[[Tensor], Tensor]


def path_lengths(system: Adversarial, judge: Judge, runtime: Runtime, count: int) -> dict[str, float]:
    """Of `count` ways, through z and, where there are styles, through w: `ppl_z`, `ppl_z_end`, `ppl_w`, `ppl_w_end`."""
    return {name: trimmed(lengths) for name, lengths in lengths_of_paths(system, judge, runtime, count).items()}


def lengths_of_paths(system: Adversarial, judge: Judge, runtime: Runtime, count: int) -> dict[str, Tensor]:
    """The lengths (count,) of which `path_lengths` are the means. In fp32, with the same noise of pixels everywhere; of
    a conditional system within a class."""
    exact = replace(runtime, precision="fp32")
    generator = torch.Generator().manual_seed(derive(SEED, "paths"))
    ends = torch.randn(2, count, system.config.latent, generator=generator)
    shares = torch.rand(count, 1, generator=generator)
    labels = system.in_turn(count)
    drawn: dict[str, Way] = {"z": lambda share: make(system, great_circle(ends[0], ends[1], share), exact, labels)}
    if isinstance(system, Styled):
        w = [system.styles_of(end, labels).cpu() for end in ends]
        drawn["w"] = lambda share: of_one_style(system, torch.lerp(w[0], w[1], share), exact)
    found = {}
    for space, draw in drawn.items():
        for name, share in ((f"ppl_{space}", shares), (f"ppl_{space}_end", torch.zeros_like(shares))):
            near, further = (judge.see(draw(place)) for place in (share, share + STEP))
            found[name] = judge.apart(near, further) / STEP**2
    return found


def trimmed(lengths: Tensor) -> float:
    """Their mean without the largest and the smallest hundredth."""
    low, high = lengths.quantile(torch.tensor([TRIMMED, 1 - TRIMMED]))
    return float(lengths[(lengths >= low) & (lengths <= high)].mean())


def of_one_style(system: Styled, w: Tensor, runtime: Runtime) -> Tensor:
    """Images (n, c, h, w) in [0, 1], on the CPU, of a w (n, latent) each, with the noise of pixels that is always the
    same."""
    return painted(system, system.everywhere(w), runtime, lambda _: system.fixed_noise)


def separability(system: Styled, judge: DigitJudge, runtime: Runtime, count: int) -> dict[str, float]:
    """`separable_z` and `separable_w`, of the half of `count` pictures that is read with most confidence."""
    from sklearn.svm import LinearSVC

    latents = torch.randn(count, system.config.latent, generator=torch.Generator().manual_seed(derive(SEED, "sorted")))
    w = system.styles_of(latents).cpu()
    chances = judge.chances(judge.see(of_one_style(system, w, replace(runtime, precision="fp32"))))
    sure = chances.max(1).values.argsort(descending=True)[: count // 2]
    classes = chances.argmax(1)[sure]
    found = {}
    for space, values in (("z", latents), ("w", w)):
        rows = values[sure].numpy()
        rows = (rows - rows.mean(0)) / rows.std(0).clip(1e-9)
        total = 0.0
        for kind in range(chances.shape[1]):
            is_kind = (classes == kind).numpy()
            if RARE <= is_kind.sum() <= len(is_kind) - RARE:
                side = np.asarray(LinearSVC(dual="auto", random_state=SEED).fit(rows, is_kind).predict(rows))
                total += conditional_entropy(is_kind, side)
        found[f"separable_{space}"] = float(np.exp(total))
    return found


def conditional_entropy(kinds: np.ndarray, sides: np.ndarray) -> float:
    """H(kind | side) in nats, of two rows of booleans."""
    total = 0.0
    for side in (False, True):
        part = kinds[sides == side]
        for share in (part.mean(), 1 - part.mean()) if len(part) else ():
            total -= share * np.log(share) * len(part) / len(kinds) if share else 0.0
    return float(total)
