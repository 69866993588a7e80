"""Measuring recognition runs on held-out pictures, always beside what no network gives."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import VOID, ImageData, Split
from ..engine.runtime import Runtime
from ..errors import SfumatoError
from ..family import OpenRun
from ..metrics.calibration import BINS, least_error, reliability
from ..metrics.recognition import (
    accuracy,
    average_precision,
    confusion,
    intersection_over_union,
    judge,
    matches,
    pixel_confusion,
    pixel_scores,
    precision_and_recall,
)
from ..metrics.table import OURS, Evaluation, Row, Words, rows_of
from ..ops.anchors import Detections, assign, detect, targets
from ..reports.anchor_figures import Layer, assigned_anchors
from ..reports.overlays import boxed, coloured, framed
from .finetune import FineTuned
from .reach import reach
from .recognizer import Recognizer
from .segmentation import Segmenter
from .ssd import SSD, Predictor, said_wrong

AT_ONCE = 8_000_000  # numbers in all images that are read at once
SHOWN_SCORE = 0.3  # of detections that are drawn
MOST_SHOWN = 1000  # images that anchors are drawn on
COMMONEST = "commonest"
UNSEEN = Words(" No test picture has an object: there is no map.", "测试图像中没有物体：没有 map。")
UNNAMED = Words(
    " No pixel of the test masks has a class: there is nothing to measure.", "测试掩码的像素均无类别：无可度量。"
)


def measure(system: Recognizer, data: ImageData, runtime: Runtime) -> Evaluation:
    """The rows of the system's kind, and what only it has."""
    system.eval()
    if isinstance(system, Segmenter):
        return _measure_segmenter(system, data, runtime)
    if isinstance(system, SSD):
        return _measure_detector(system, data, runtime)
    assert isinstance(system, FineTuned)
    return _measure_classifier(system, data, runtime)


def whole_batches(split: Split) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The pictures of `split` in order, nothing cut off, a few of one size at once: images (b, c, h, w) in [0, 1], and
    masks if there are any."""
    held = list[Tensor]()
    for number in range(len(split)):
        picture = split.pictures.whole(number)
        if held and (picture.shape != held[0].shape or (len(held) + 1) * prod(picture.shape) > AT_ONCE):
            yield _stacked(split, held)
            held = []
        held.append(picture)
    yield _stacked(split, held)


def _stacked(split: Split, pictures: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    images, masks = split.parted(torch.stack(pictures))
    return images.float().div_(255), None if masks is None else masks.long()


@torch.no_grad()
def name_pixels(system: Segmenter, images: Tensor, runtime: Runtime) -> Tensor:
    """int64 (b, h, w) on the CPU: the class of each pixel of images of any one size."""
    with runtime.autocast():
        return system(images.to(runtime.device, memory_format=runtime.memory_format)).argmax(1).cpu()


def _measure_segmenter(system: Segmenter, data: ImageData, runtime: Runtime) -> Evaluation:
    """The network, and every pixel called the commonest class of the training masks."""
    classes = len(data.classes)
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for images, masks in whole_batches(data.test):
        assert masks is not None
        matrix += pixel_confusion(name_pixels(system, images, runtime), masks, classes)
    frequency = torch.zeros(classes, dtype=torch.int64)
    for _, masks in whole_batches(data.train):
        assert masks is not None
        frequency += masks[masks != VOID].bincount(minlength=classes)
    common = int(frequency.argmax())
    trivial = torch.zeros_like(matrix)
    trivial[:, common] = matrix.sum(1)
    side = system.config.resolution
    size = Words(f"their shorter side {side} pixels", f"短边为 {side}") if side else Words("as they are", "不缩放")
    shares = intersection_over_union(matrix).tolist()
    why = Words("", "") if matrix.any() else UNNAMED
    return _evaluation(
        system, data, {OURS: pixel_scores(matrix), COMMONEST: pixel_scores(trivial)}, common,
        Words(
            "miou: one confusion matrix of all pixels, as VOC has it; void pixels are not counted. Pictures are read "
            f"whole, {size.en}.{why.en}",
            f"miou：由全部像素的一个混淆矩阵得出，与 VOC 相同；不计空白像素。图像整张读入，{size.zh}。{why.zh}",
        ),
        per_class={  # None of a class that no test image has
            name: _known(share) for name, share in zip(data.classes, shares, strict=True)
        },
    )  # fmt: skip


def test_batches(split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    """All images of `split` as the squares that systems are trained on, (b, c, h, w) in [0, 1], and their places."""
    (first,) = split.images([0])
    for places in torch.arange(len(split)).split(max(1, AT_ONCE // first.numel())):
        yield split.images(places), places


@torch.no_grad()
def name_pictures(system: FineTuned, images: Tensor, runtime: Runtime) -> Tensor:
    """(b, k) on the CPU: how likely each class is for each image."""
    with runtime.autocast():
        logits = system(images.to(runtime.device, memory_format=runtime.memory_format))
    return logits.float().softmax(1).cpu()


def name_split(system: FineTuned, split: Split, runtime: Runtime) -> Tensor:
    """`name_pictures` of all pictures of `split`."""
    return torch.cat([name_pictures(system, images, runtime) for images, _ in test_batches(split)])


def _measure_classifier(system: FineTuned, data: ImageData, runtime: Runtime) -> Evaluation:
    """The network, and every picture called by the commonest name of the training pictures."""
    assert data.test.labels is not None
    assert data.train.labels is not None
    classes = len(data.classes)
    said = name_split(system, data.test, runtime)
    matrix = confusion(said.argmax(1), data.test.labels, classes)
    common = int(data.train.labels.bincount(minlength=classes).argmax())
    trivial = confusion(torch.full_like(data.test.labels, common), data.test.labels, classes)
    shares = {OURS: accuracy(matrix), COMMONEST: accuracy(trivial)}
    sure = reliability(said, data.test.labels)
    values = {of: {"accuracy": share.value} for of, share in shares.items()}
    values[OURS] |= {"confidence": float(said.max(1).values.mean()), "ece": sure.error}
    values["calibrated"] = {"ece": least_error(said)}
    heat = system.fitted.get("temperature")
    return _evaluation(
        system, data, values, common,
        Words(
            "In brackets: the interval that holds the accuracy with 95 % confidence (Wilson). confidence: how sure "
            f"answers are on average; ece: the expected calibration error, in {BINS} bins of equal width"
            + (f"; temperature {heat:.2f}, fitted on validation images." if heat else "."),
            f"括号内：准确率的 95% 置信区间（Wilson）。confidence：平均置信度；ece：期望校准误差，{BINS} 个等宽区间"
            + (f"；温度 {heat:.2f}，在验证图像上拟合。" if heat else "。"),
        ),
        reliability=asdict(sure),
        intervals={of: {"accuracy": (share.low, share.high)} for of, share in shares.items()},
        confusion=matrix.tolist(),
        named={
            name: {"images": count, "precision": _known(precision), "recall": _known(recall)}
            for name, count, precision, recall in zip(
                data.classes, matrix.sum(1).tolist(), *map(Tensor.tolist, precision_and_recall(matrix)), strict=True
            )
        },
    )  # fmt: skip


def _known(value: float) -> float | None:
    """None of a class that there is nothing of."""
    return None if math.isnan(value) else value


def mistakes(system: FineTuned, data: ImageData, runtime: Runtime, count: int = 12) -> tuple[Tensor, list[str]]:
    """The test images (n, 3, h, w) that are called by a wrong name with most confidence, and the words for each."""
    assert data.test.labels is not None
    chances = name_split(system, data.test, runtime)
    sure, said = chances.max(1)
    wrong = (said != data.test.labels).nonzero().flatten()
    worst = wrong[sure[wrong].argsort(descending=True)][:count]
    words = [
        f"{data.classes[int(data.test.labels[place])]}: {data.classes[int(said[place])]} {sure[place]:.0%}"
        for place in worst
    ]
    return data.test.images(worst), words


@torch.no_grad()
def find_objects(system: SSD, images: Tensor, runtime: Runtime, score: float = 0.01) -> list[Detections]:
    """What is in each of `images`, on the CPU."""
    with runtime.autocast():
        return on_cpu(system.find(images.to(runtime.device, memory_format=runtime.memory_format), score))


def on_cpu(found: Iterable[Detections]) -> list[Detections]:
    """The same on the CPU."""
    return [Detections(item.boxes.cpu(), item.classes.cpu(), item.scores.cpu()) for item in found]


def _measure_detector(system: SSD, data: ImageData, runtime: Runtime) -> Evaluation:
    """The network; no object anywhere; and one box in every picture, the mean one, by the commonest name."""
    assert data.test.boxes is not None
    assert data.train.boxes is not None
    found: list[Detections] = []
    wrong = torch.zeros(2, 2)  # network and background everywhere; class error and error of boxes
    for images, places in test_batches(data.test):
        with torch.no_grad(), runtime.autocast():
            logits, offset, anchors = system(images.to(runtime.device, memory_format=runtime.memory_format))
        found += on_cpu(detect(logits.float(), offset.float(), anchors))
        rows = data.test.boxes[places].to(anchors.device)
        wanted = targets(rows[..., 1:], rows[..., 0].long(), anchors, system.config.threshold)
        background = F.one_hot(torch.zeros_like(wanted.classes), logits.shape[-1]).float()
        for row, pair in zip(wrong, ((logits, offset), (background, torch.zeros_like(offset))), strict=True):
            row += len(images) * torch.stack(said_wrong(pair[0].float(), pair[1].float(), wanted)).cpu()
    wrong /= len(data.test)
    true = [rows[rows[:, 0] >= 0] for rows in data.test.boxes]
    known = data.train.boxes[data.train.boxes[..., 0] >= 0]
    common = known[:, 0].long().bincount().argmax()
    seen = torch.cat([known[:, 1:], _mirrored(known[:, 1:])]) if system.config.flip else known[:, 1:]
    mean = Detections(seen.mean(0, keepdim=True), common[None], torch.ones(1))
    judged = judge(found, true)
    values = {
        OURS: judged.scores,
        "nothing": average_precision([], true),
        "mean-box": average_precision([mean] * len(true), true),
    }
    for of, (error, mae) in zip((OURS, "nothing"), wrong.tolist(), strict=True):
        values[of] |= {"class_error": error, "box_mae": mae}
    why = Words("", "") if any(map(len, true)) else UNSEEN
    return _evaluation(
        system, data, values, int(common),
        Words(
            "map: COCO's mean average precision over overlaps of 0.5 to 0.95, map_50 at 0.5, of detections as sure as "
            f"0.01. class_error and box_mae are means over all anchors, nearly all of which are background.{why.en}",
            f"map：COCO 的平均精度均值，重叠 0.5 至 0.95；map_50：重叠 0.5；检测置信度不低于 0.01。class_error 与 box_mae 是对全部锚框的平均，而锚框几乎都是背景。{why.zh}",  # noqa: E501
        ),
        anchors=asdict(reach(system, known[:, 1:])),
        found=_by_class(judged.curves, true, data.classes),
    )  # fmt: skip


def _mirrored(boxes: Tensor) -> Tensor:
    """(n, 4): boxes in the mirrored image."""
    left, top, right, bottom = boxes.unbind(1)
    return torch.stack([1 - right, top, 1 - left, bottom], 1)


def _by_class(curves: Mapping[int, Tensor], true: Sequence[Tensor], names: Sequence[str]) -> dict[str, Any]:
    """Of each class how many objects there are; its average precision, None of none; and its precision at recalls from
    0 to 1."""
    counts = torch.cat(list(true))[:, 0].long().bincount(minlength=len(names)).tolist()
    return {
        name: {
            "objects": count,
            "ap_50": float(curves[number].mean()) if number in curves else None,
            "curve": [round(value, 4) for value in curves[number].tolist()] if number in curves else [],
        }
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
    }


def worst_images(system: SSD, data: ImageData, runtime: Runtime, count: int = 12) -> tuple[list[Tensor], list[str]]:
    """Test images (3, h, w) with what is wrong drawn in them, and the words for each: at most half of `count` with the
    surest false detections, then those with most objects missed. Detections are as sure as SHOWN_SCORE."""
    assert data.test.boxes is not None
    false, missed = list[tuple[float, int, Detections]](), list[tuple[int, int, Tensor]]()
    for images, places in test_batches(data.test):
        for place, item in zip(places.tolist(), find_objects(system, images, runtime, SHOWN_SCORE), strict=True):
            rows = data.test.boxes[place]
            rows = rows[rows[:, 0] >= 0]
            right, met = matches(item, rows)
            if not right.all():
                wrong = Detections(item.boxes[~right], item.classes[~right], item.scores[~right])
                false.append((float(wrong.scores.max()), place, wrong))
            if not met.all():
                missed.append((len(rows), place, rows[~met]))
    drawn, words = list[Tensor](), list[str]()
    surest = sorted(false, key=lambda item: -item[0])[: count // 2]
    for score, place, wrong in surest:
        drawn.append(boxed(data.test.images([place])[0], wrong.boxes, wrong.classes, data.classes))
        words.append(f"{data.classes[int(wrong.classes[wrong.scores.argmax()])]} {score:.0%}: not there")
    shown = {place for _, place, _ in surest}
    most = sorted((item for item in missed if item[1] not in shown), key=lambda item: -len(item[2]))
    for objects, place, rows in most[: count - len(drawn)]:
        drawn.append(boxed(data.test.images([place])[0], rows[:, 1:], rows[:, 0].long(), data.classes))
        words.append(f"missed: {len(rows)} of {objects}")
    return drawn, words


def _evaluation(
    system: Recognizer, data: ImageData, values: Mapping[str, Mapping[str, float]], common: int, note: Words,
    intervals: Mapping[str, Mapping[str, Any]] | None = None, **more: Any,
) -> Evaluation:  # fmt: skip
    """`values` by what they were measured of, the network first; `common`: the commonest class."""
    count, class_ = len(data.test), data.classes[common]
    names = {
        OURS: Words("network", "网络"),
        COMMONEST: Words(f"everything {class_}", f"全部为 {class_}"),
        "nothing": Words("no object anywhere", "处处无物体"),
        "calibrated": Words("right as often as it is sure", "与置信度同样正确"),
        "mean-box": Words(f"the mean box, {class_}", f"平均边框，{class_}"),
    }
    rows: list[Row] = []
    for of, measured in values.items():
        rows += rows_of(measured, count, of, "ours" if of == OURS else "baseline", (intervals or {}).get(of))
    return Evaluation.on(
        data,
        images=count,
        resolution=system.config.resolution,
        rows=tuple(rows),
        names={of: names[of] for of in values},
        note=note,
        more=more,
    )


def inspect_anchors(system: SSD, data: ImageData, place: int, truth: str = "objects") -> bytes:
    """A picture of training image `place`: its objects, and which anchors of which map are trained for them."""
    (image,) = data.train.images([place])
    assert data.train.boxes is not None
    rows = data.train.boxes[place]
    rows = rows[rows[:, 0] >= 0]
    shapes = system.map_shapes()
    anchors = system.anchors(shapes, torch.device("cpu"))
    (assigned,) = assign(rows[None, :, 1:], rows[None, :, 0].long(), anchors, system.config.threshold)
    counts = [height * width * system.config.at_pixel for height, width in shapes]
    layers = [
        Layer(f"{height}×{width}", own, theirs)
        for (height, width), own, theirs in zip(shapes, anchors.split(counts), assigned.split(counts), strict=True)
    ]
    words = [data.classes[int(number)] for number in rows[:, 0]]
    return assigned_anchors(image, rows[:, 1:], words, layers, truth)


def anchors_of(run: OpenRun, count: int) -> Iterator[tuple[str, bytes]]:
    """Of `count` training images of an ssd run, a name and a PNG of which anchors are trained for which object.

    Raises SfumatoError for a run of another kind."""
    system = run.system
    if not isinstance(system, SSD):
        raise SfumatoError(f"{run.path}: a {run.system_name} run has no anchors; ssd has")
    if not 1 <= count <= MOST_SHOWN:
        raise SfumatoError(f"--count {count}: must lie between 1 and {MOST_SHOWN:,}")
    for place in range(min(count, len(run.data.train))):
        yield f"train-{place}", inspect_anchors(system, run.data, place)


def predictor_cells(found: Sequence[Predictor]) -> list[list[str]]:
    """For each map what is said there: height and width; channels, height and width of classes and of offsets; anchors
    a pixel and in all. Then how many anchors there are."""
    rows = [
        [*("×".join(map(str, shape)) for shape in (one.classes[1:], one.classes, one.offsets)), f"{one.at_pixel}",
         f"{one.anchors:,}"]
        for one in found
    ]  # fmt: skip
    return [*rows, ["", "", "", "", f"{sum(one.anchors for one in found):,}"]]


def shown_rows(system: Recognizer, data: ImageData, runtime: Runtime, count: int) -> list[Tensor]:
    """Rows of `count` test images, what is known of them, and what the system says: (n, 3, h, w) each in [0, 1]."""
    system.eval()
    places = data.test.spread(count)
    images, masks = data.test.parted(data.test.pictures.take(places))
    images = images.float() / 255
    at_once = max(1, AT_ONCE // images[0].numel())
    if isinstance(system, Segmenter):
        assert masks is not None
        said = torch.cat([name_pixels(system, chunk, runtime) for chunk in images.split(at_once)])
        paint = partial(coloured, palette=data.palette)
        return [images, *(_each(paint, data, images, these) for these in (masks, said))]
    if isinstance(system, SSD):
        assert data.test.boxes is not None
        true = [rows[rows[:, 0] >= 0] for rows in data.test.boxes[places]]
        sure = [item for chunk in images.split(at_once) for item in find_objects(system, chunk, runtime, SHOWN_SCORE)]
        return [
            _each(boxed, data, images, [rows[:, 1:] for rows in true], [rows[:, 0].long() for rows in true]),
            _each(boxed, data, images, [item.boxes for item in sure], [item.classes for item in sure]),
        ]
    assert isinstance(system, FineTuned)
    assert data.test.labels is not None
    chances = torch.cat([name_pictures(system, chunk, runtime) for chunk in images.split(at_once)])
    right = chances.argmax(1) == data.test.labels[places]
    return [torch.stack([framed(*pair) for pair in zip(images, right.tolist(), strict=True)])]


def _each(draw: Callable[..., Tensor], data: ImageData, *parts: Iterable[Any]) -> Tensor:
    return torch.stack([draw(*items, data.classes) for items in zip(*parts, strict=True)])
