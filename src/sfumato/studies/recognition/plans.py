"""What the recognition study is made on, and its runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...data.dataset import ImageData
from ...data.sources import open_data
from ...errors import SfumatoError
from ...files import resolved
from ...nets.encoders import EFFICIENTNET
from ...runs.catalog import find
from ..plan import Plan, Settings, Setup

PRESETS = {True: ("photographs", "cards", "camvid"), False: ("faces", "scenes", "scenes")}
QUICK = {"names": 1_000, "boxes": 6_000, "masks": 1_000}  # training images drawn


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for data that are not named, boxed and masked in turn, and for features that are not there."""
    features, source = settings.features, settings.source
    network = "sfumato" if features is None else EFFICIENTNET if str(features) == EFFICIENTNET else "squeezenet1_0"
    if features is not None and network != EFFICIENTNET and not features.is_file():
        raise SfumatoError(f"features {features}: there is no such file")
    opened = []
    for system, preset, name in zip(("finetune", "ssd", "unet"), PRESETS[settings.full], source, strict=True):
        entry, found = find(f"{system}:{preset}")
        opened.append(open_data(name, entry.family.view(entry.presets[found])))
    data, boxed, masked = opened
    if len(data.classes) < 2 or data.test.labels is None:
        raise SfumatoError(f"data {source[0]!r}: the first data set must have classes, as faces has")
    data = replace(data, left_out=tuple(item for part in opened for item in part.left_out))
    weights = str(resolved(features)) if features is not None and network != EFFICIENTNET else ""
    made = plans(tuple(zip(source, (data, boxed, masked), strict=True)), network, weights, settings.full)
    options = "" if features is None else f" --features {'FILE' if weights else network}"
    return Setup(data, made, " ".join(part.name for part in opened), (boxed, masked), options)


def plans(on: Sequence[tuple[str, ImageData]], network: str, weights: str, full: bool) -> list[Plan]:
    """The runs on pictures with names, boxes and masks, of a `network` that was trained before; `weights`: a file with
    its weights, if they are not here."""
    named, boxed, masked = on
    names, boxes, masks = PRESETS[full]
    small = {kind: {} if full else {"images": count} for kind, count in QUICK.items()}
    net, back = {"network": network}, {"backbone": network, "weights": weights}
    new = {"pretrained": False, "frozen": 0.0}
    fewer: dict[str, Any] = {"images": 20_000, "transfer": 0.3} if full else {"images": QUICK["boxes"] // 3}
    narrow = {} if full else {"width": 16}
    width = {"width": 64 if full else 32}
    return [
        Plan("fine-tuned", f"finetune:{names}", {**net, "weights": weights, "follow": True, **small["names"]}, "fine-tuned", "微调", named),
        Plan("scratch", f"finetune:{names}", {**net, **new, "follow": True, **small["names"]}, "from scratch", "从零训练", named),
        Plan("ssd", f"ssd:{boxes}", small["boxes"], "TinySSD", "TinySSD", boxed),
        Plan("ssd-pretrained", f"ssd:{boxes}", {**back, "pretrained": True, **fewer}, "SSD, pretrained", "SSD（预训练）", boxed),
        Plan("fcn-32s", f"fcn:{masks}", {**back, "follow": True, **small["masks"]}, "FCN-32s", "FCN-32s", masked),
        Plan("fcn-8s", f"fcn:{masks}", {**back, "skips": 2, **small["masks"]}, "FCN-8s", "FCN-8s", masked),
        Plan("unet", f"unet:{masks}", {**back, **narrow, **small["masks"]}, "U-Net", "U-Net", masked),
        Plan("deeplab", f"deeplab:{masks}", {**back, **width, **small["masks"]}, "DeepLab", "DeepLab", masked),
    ]  # fmt: skip
