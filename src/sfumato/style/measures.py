"""How much of a content is kept and of a style is taken, beside both as they are."""

import torch
from torch import Tensor

from ..data.dataset import ImageData, fingerprint
from ..engine.runtime import Runtime
from ..metrics.kept import kept
from ..metrics.table import OURS, Evaluation, Row, Words, rows_of
from .network import Restyler, StyleSystem

PAIRED = 10  # contents, and as many styles


def measure(system: StyleSystem, data: ImageData, runtime: Runtime) -> Evaluation:
    """Every one of ten test contents in every one of ten test styles, beside both as they are."""
    content, style = test_pairs(data, PAIRED)
    restyled = restyle(system.restyler, content, style, runtime)
    names = {
        OURS: Words("restyled", "风格化"),
        "content": Words("content, untouched", "内容原图"),
        "style": Words("style, untouched", "风格原图"),
    }
    untouched = {"content": content, "style": style}
    judge = type(system).__name__, repr(system.config), fingerprint(*system.judging.state_dict().values())
    baselines = kept(
        lambda: {of: judged(system, pictures, content, style, runtime) for of, pictures in untouched.items()},
        "restyled", *judge, data.fingerprint, tuple(content.shape),
    )  # fmt: skip
    rows: list[Row] = [*rows_of(judged(system, restyled, content, style, runtime), len(content))]
    for of, values in baselines.items():
        rows += rows_of(values, len(content), of, "baseline")
    return Evaluation.on(
        data,
        images=len(content),
        resolution=content.shape[-1],
        rows=tuple(rows),
        names=names,
        note=Words(
            "Pairs, not single images; content and style are the losses that were trained on.",
            "以图像对计；content 与 style 为训练所用的损失。",
        ),
    )


@torch.no_grad()
def judged(system: StyleSystem, pictures: Tensor, content: Tensor, style: Tensor, runtime: Runtime) -> dict[str, float]:
    """The mean content and style loss of `pictures`, pair by pair."""
    losses = [
        torch.stack(system.judge(*(part.to(runtime.device) for part in parts))) * len(parts[0])
        for parts in zip(*(item.split(PAIRED) for item in (pictures, content, style)), strict=True)
    ]
    of_content, of_style = (torch.stack(losses).sum(0) / len(content)).tolist()
    return {"content": of_content, "style": of_style}


def test_pairs(data: ImageData, count: int) -> tuple[Tensor, Tensor]:
    """Each of `count` test contents with each of `count` test styles, spread over both sets: (count², 3, h, w) each."""
    assert data.second is not None
    content, style = (split.images(split.spread(count)) for split in (data.test, data.second.test))
    return content.repeat_interleave(len(style), 0), style.repeat(len(content), 1, 1, 1)


def restyle(restyler: Restyler, content: Tensor, style: Tensor, runtime: Runtime) -> Tensor:
    """`content` in the style of `style`, pair by pair, in [0, 1], on the CPU."""
    with torch.no_grad(), runtime.autocast():
        parts = [
            restyler(one.to(runtime.device), other.to(runtime.device)).float().clamp(0, 1).cpu()
            for one, other in zip(content.split(PAIRED), style.split(PAIRED), strict=True)
        ]
    return torch.cat(parts)
