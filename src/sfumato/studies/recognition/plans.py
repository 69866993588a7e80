"""What the recognition study is made on, and its runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...data.dataset import ImageData
from ...data.sources import open_data
from ...errors import SfumatoError
from ...runs.catalog import find
from ..study import Plan, Settings, Setup

PRESETS = {True: ("photographs", "cards", "camvid"), False: ("faces", "scenes", "scenes")}
QUICK = {"names": 1_000, "boxes": 6_000, "masks": 1_000}  # training images drawn


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for data that are not named, boxed and masked in turn, and for features that are not there."""
    features, source = settings.features, settings.source
    if features is not None and not features.is_file():
        raise SfumatoError(f"features {features}: there is no such file")
    opened = []
    for system, preset, name in zip(("finetune", "ssd", "unet"), PRESETS[settings.full], source, strict=True):
        entry, found = find(f"{system}:{preset}")
        opened.append(open_data(name, entry.family.view(entry.presets[found])))
    data, boxed, masked = opened
    if len(data.classes) < 2 or data.test.labels is None:
        raise SfumatoError(f"data {source[0]!r}: the first data set must have classes, as faces has")
    data = replace(data, left_out=tuple(item for part in opened for item in part.left_out))
    weights = "" if features is None else str(features.resolve())
    made = plans(tuple(zip(source, (data, boxed, masked), strict=True)), weights, settings.full)
    options = " --features FILE" if weights else ""
    return Setup(data, made, " ".join(part.name for part in opened), (boxed, masked), options)


def plans(on: Sequence[tuple[str, ImageData]], weights: str, full: bool) -> list[Plan]:
    """The runs on pictures with names, boxes and masks; `weights`: a file with SqueezeNet's, if there is one."""
    named, boxed, masked = on
    names, boxes, masks = PRESETS[full]
    small = {kind: {} if full else {"images": count} for kind, count in QUICK.items()}
    old = "squeezenet1_0" if weights else "sfumato"
    net, back = {"network": old}, {"backbone": old, "weights": weights}
    new = {"pretrained": False, "frozen": 0.0}
    fewer: dict[str, Any] = {"images": 20_000, "transfer": 0.3} if full else {"images": QUICK["boxes"] // 3}
    narrow = {} if full else {"width": 16}
    width = {"width": 64 if full else 32}
    return [
        Plan("fine-tuned", f"finetune:{names}", {**net, "weights": weights, **small["names"]}, "fine-tuned", "微调", named),
        Plan("scratch", f"finetune:{names}", {**net, **new, **small["names"]}, "from scratch", "从零训练", named),
        Plan("ssd", f"ssd:{boxes}", small["boxes"], "TinySSD", "TinySSD", boxed),
        Plan("ssd-pretrained", f"ssd:{boxes}", {**back, "pretrained": True, **fewer}, "SSD, pretrained", "SSD（预训练）", boxed),
        Plan("fcn-32s", f"fcn:{masks}", {**back, **small["masks"]}, "FCN-32s", "FCN-32s", masked),
        Plan("fcn-8s", f"fcn:{masks}", {**back, "skips": 2, **small["masks"]}, "FCN-8s", "FCN-8s", masked),
        Plan("unet", f"unet:{masks}", {**back, **narrow, **small["masks"]}, "U-Net", "U-Net", masked),
        Plan("deeplab", f"deeplab:{masks}", {**back, **width, **small["masks"]}, "DeepLab", "DeepLab", masked),
    ]  # fmt: skip
