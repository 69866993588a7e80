"""Learning rates that are set step by step: any, and one that climbs for a while and then falls along half a cosine."""

import math

import torch


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives all groups that rate; one that has a `factor`, that many times as much."""
    for group in optimizer.param_groups:
        group["lr"] = group.get("factor", 1.0) * rate


def anneal(optimizer: torch.optim.Optimizer, peak: float, images: int, warmup: int, total: int) -> None:
    """Sets the rate of all groups for the step that begins after `images` of `total`; a group that has a `factor` gets
    that many times the others' rate.

    A straight climb to `peak` over the first `warmup` images, times half a cosine from 1 to 0 over the run (Loshchilov
    and Hutter 2016, https://arxiv.org/abs/1608.03983, eq. 5, one cycle). There is no state to save: the rate is a
    function of the clock.
    """
    climb = min(1.0, (images + 1) / warmup) if warmup else 1.0
    for group in optimizer.param_groups:
        group["lr"] = group.get("factor", 1.0) * peak * climb * 0.5 * (1 + math.cos(math.pi * images / total))
