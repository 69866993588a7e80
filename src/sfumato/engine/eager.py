"""Optimisers that do not load torch's compiler.

Some methods of torch's optimisers ask the compiler, when they are first called, to leave them alone. Loading it takes
longer than loading all the rest of torch, and nothing is compiled here: they are told that it has answered. A step is
taken without the layers around it, which load the compiler too.
"""

import inspect
import sys

import torch

ANSWER = "__dynamo_disable"  # where `torch._compile` keeps what the compiler makes of a function


def do_without_compiler() -> None:
    """Spares optimisers the compiler, unless it is loaded already. Where another torch keeps its answers elsewhere, the
    first optimiser takes its time as before."""
    if "torch._dynamo" in sys.modules:
        return
    for method in vars(torch.optim.Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if plain is not None:
            setattr(plain, ANSWER, plain)


def step(optimizer: torch.optim.Optimizer) -> None:
    """What `optimizer.step()` does."""
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        optimizer.step()
        return
    with torch.no_grad():
        inspect.unwrap(type(optimizer).step)(optimizer)
