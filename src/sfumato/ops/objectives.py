"""What two players minimise, and what keeps a critic smooth.

Logits are (b,), before any sigmoid; every loss is a scalar in fp32. Sources: `minimax` and `non_saturating`, Goodfellow
et al. 2014, https://arxiv.org/abs/1406.2661, eq. 1 and the end of section 3; `least_squares`, Mao et al. 2017,
https://arxiv.org/abs/1611.04076, eq. 9 (0 for fake, 1 for real); `wasserstein`, Arjovsky et al. 2017,
https://arxiv.org/abs/1701.07875, eq. 2; `hinge`, Lim and Ye 2017, https://arxiv.org/abs/1705.02894.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

GanObjective = Literal["non_saturating", "minimax", "least_squares", "hinge"]
Objective = Literal[GanObjective, "wasserstein"]


def discriminator_loss(objective: Objective, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator or critic minimises, from its logits for real and for made images."""
    if objective in ("minimax", "non_saturating"):  # -log D(x) - log(1 - D(G(z)))
        return softplus(-real).mean() + softplus(fake).mean()
    if objective == "least_squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if objective == "hinge":
        return relu(1 - real).mean() + relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(objective: Objective, fake: Tensor) -> Tensor:
    """What the generator minimises, from the other's logits for its images."""
    if objective == "minimax":  # log(1 - D(G(z))): flat where the discriminator is sure
        return -softplus(fake).mean()
    if objective == "non_saturating":  # -log D(G(z))
        return softplus(-fake).mean()
    if objective == "least_squares":
        return (fake - 1).square().mean() / 2
    return -fake.mean()


def realness(objective: Objective, logits: Tensor) -> Tensor:
    """What the other player believes, on average: a probability where the objective has one, else the plain logit."""
    return (logits.sigmoid() if objective in ("minimax", "non_saturating") else logits).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, one_sided: bool = False) -> Tensor:
    """Mean (‖∇D(x̂)‖₂ - 1)² at a random point between each pair of images, or max(0, ‖∇D(x̂)‖₂ - 1)².

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, eq. 3 and section 4: one share and one norm per sample.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    norms = gradients(critic, torch.lerp(fake.detach(), real, share)).norm(2, dim=1)
    return (relu(norms - 1) if one_sided else norms - 1).square().mean()


def gradient_at_real(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """R1: ½ mean ‖∇D(x)‖₂² at real images (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, eq. 9)."""
    return gradients(critic, real).square().sum(1).mean() / 2


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """(b,): ‖Jᵀy‖₂ of each image (b, c, h, w), y normal, J its Jacobian with respect to its styles (b, layers, latent):
    root mean square over layers; itself differentiable. y is divided by √(h · w).

    Karras et al. 2020, https://arxiv.org/abs/1912.04958, section 3.2.
    """
    noise = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def gradients(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """(b, numbers): the gradient of the logits' sum with respect to the images, in fp32, itself differentiable: each
    logit's for its own image, unless batch norm ties them together."""
    with torch.autocast(images.device.type, enabled=False):
        at = images.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    return gradient.flatten(1)


@torch.no_grad()
def clip_weights(network: nn.Module, limit: float) -> None:
    """Brings every parameter into [-limit, limit]."""
    parameters = [parameter.data for parameter in network.parameters()]
    torch._foreach_clamp_min_(parameters, -limit)
    torch._foreach_clamp_max_(parameters, limit)
