"""What the recognition study tells of what such networks are built from."""

import torch
from torch import Tensor

from ...ops.anchors import centred
from ...recognition.measures import predictor_cells
from ...recognition.ssd import SIZES
from ...reports.anchor_figures import anchor_boxes
from ...reports.figures import labelled_rows
from ...reports.language import Speaker
from ...reports.matrices import Panel, matrices
from ..study import StudyReport
from .experiments import ENLARGED, OBJECTS, SHOWN_RATIOS, SHOWN_SIZES, Five
from .measures import Recognition

# What "Dive into Deep Learning" prints in section 14.4.
PRINTED_OVERLAPS = torch.tensor([[0.0536, 0.0], [0.1417, 0.0], [0.0, 0.5657], [0.0, 0.2059], [0.0, 0.7459]])
PRINTED_ASSIGNED = [-1, 0, 1, -1, 1]
PRINTED_OFFSETS = torch.tensor([[1.4, 10, 2.5940, 7.1754], [-1.2, 0.2688, 1.6824, -1.5655], [-0.5714, -1, 0, 0.6258]])


def anchors(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    report.heading("Anchors", "锚框")
    found = measured.anchors
    height, width = found.picture.shape[-2:]
    pairs = [(size, SHOWN_RATIOS[0]) for size in SHOWN_SIZES] + [(SHOWN_SIZES[0], r) for r in SHOWN_RATIOS[1:]]
    words = [f"s={size:g}, r={ratio:g}" for size, ratio in pairs]
    report.picture(
        "anchors", anchor_boxes(found.picture, found.here, words, range(len(pairs))),
        f"The anchors of one pixel of a bundled photograph of {width}×{height}: every size with the first ratio, the first size with every other: {len(pairs)} a pixel, {found.total:,} in all.",
        f"随包照片（{width}×{height}）中一个像素的锚框：每个尺寸配第一个比例，第一个尺寸配其余比例；每像素 {len(pairs)} 个，共 {found.total:,} 个。",
    )  # fmt: skip
    sizes = [", ".join(f"{size:g}" for size in pair) for pair in SIZES]
    cells = [[row[0], words, *row[1:]] for row, words in zip(predictor_cells(found.maps), [*sizes, ""], strict=True)]
    total = sum(one.anchors for one in found.maps)
    report.table(
        [say("map", "特征图"), say("sizes", "尺寸"), say("classes", "类别"), say("offsets", "偏移"), say("anchors a pixel", "每像素锚框"), say("anchors", "锚框数")],
        cells,
        "TinySSD on 256×256 pixels, for one class beside the background: what is said at each map, channels × height × width; ratios 1, 2 and 0.5.",
        "256×256 上的 TinySSD，除背景外一类：各特征图的预测，通道 × 高 × 宽；比例为 1、2、0.5。",
    )  # fmt: skip
    report.row("anchors of TinySSD", "TinySSD 的锚框数", total, "", 5444, "lower")
    _forms(report, say)
    _five(report, say, measured.five)


def _forms(report: StudyReport, say: Speaker) -> None:
    """Corner and centre form of the dog and the cat."""
    cells = [
        [name, *(", ".join(f"{value:.3g}" for value in form.tolist()) for form in (box, centred(box)))]
        for name, box in zip((say("dog", "狗"), say("cat", "猫")), OBJECTS, strict=True)
    ]
    report.table(
        ["", say("left, top, right, bottom", "左、上、右、下"), say("across, down, width, height", "横、纵、宽、高")], cells,
        "Two boxes by their corners and by their centre, as shares of the picture's sides.", "两个边框的两种写法：对角与中心（均为占图像边长的比例）。",
    )  # fmt: skip


def _five(report: StudyReport, say: Speaker, found: Five) -> None:
    """The demonstration with a dog, a cat and five anchors."""
    names = {-1: say("background", "背景"), 0: say("dog", "狗"), 1: say("cat", "猫")}
    led = iter(found.offsets.tolist())
    rows = [
        [f"A{place}", *(f"{value:.4f}" for value in found.overlaps[place].tolist()), names[owner],
         ", ".join(f"{value:.4f}" for value in next(led)) if owner >= 0 else "–"]
        for place, owner in enumerate(found.assigned)
    ]  # fmt: skip
    report.table(
        ["", say("overlap with the dog", "与狗的交并比"), say("with the cat", "与猫"), say("assigned to", "分配给"), say("offsets", "偏移")],
        rows, "Five anchors, a dog and a cat: intersection over union; each object gets its best anchor, then every anchor from 0.5 on its best object.",
              "五个锚框、一只狗、一只猫的交并比；每个物体先得到与它最合的锚框，其余锚框在交并比不小于 0.5 时归最合的物体。",
    )  # fmt: skip
    overlaps, offsets = ((one - other).abs().max() for one, other in ((found.overlaps, PRINTED_OVERLAPS), (found.offsets, PRINTED_OFFSETS)))  # fmt: skip
    wrong = sum(one != other for one, other in zip(found.assigned, PRINTED_ASSIGNED, strict=True))
    report.row("largest difference from the printed overlaps of five anchors", "五个锚框交并比与书中印刷值的最大差", float(overlaps), "", 1e-4, "lower")  # fmt: skip
    report.row("largest difference from the printed offsets of five anchors", "五个锚框偏移与书中印刷值的最大差", float(offsets), "", 1e-4, "lower")  # fmt: skip
    report.row("anchors of five assigned otherwise than printed", "与书中分配不同的锚框数", wrong, "", 0, "lower")
    report.row("boxes kept of four by suppression", "四个框经抑制后保留数", found.kept, "", 2, "lower")


def transposed(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    report.heading("Transposed convolution", "转置卷积")
    found = measured.transposed
    report.code("\n\n".join(f"{name}\n{_printed(values)}" for name, values in found.numbers.items()))
    report.say(
        "Each number of the input lays its multiple of the kernel on the result; stride is how far apart, padding cuts the border off. It is the convolution's matrix, transposed: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.",
        "输入的每个数把核的相应倍数叠加到结果上；步幅决定相隔多远，填充裁去边缘。它就是卷积矩阵的转置：⟨Ax, y⟩ = ⟨x, Aᵀy⟩。",
    )  # fmt: skip
    report.row(
        "largest |⟨Ax, y⟩ - ⟨x, Aᵀy⟩| / |⟨Ax, y⟩| of six shapes", "六种形状下 |⟨Ax, y⟩ - ⟨x, Aᵀy⟩| / |⟨Ax, y⟩| 的最大值",
        found.adjointness, "", 1e-9, "lower",
    )  # fmt: skip
    for one in found.matrices:
        report.picture(
            f"matrix-{one.stride}",
            matrices([Panel("A", one.weights), Panel("Aᵀ", one.weights.T), Panel("y", one.values[:, None]), Panel("Aᵀy", one.drawn[:, None])], "g"),
            f"The convolution of stride {one.stride} as a matrix A, a row for each number of its result; Aᵀ is the transposed convolution, of the numbers above read row by row.",
            f"步幅为 {one.stride} 的卷积写成矩阵 A，结果的每个数一行；Aᵀ 即转置卷积，作用于上面按行读出的数。",
        )  # fmt: skip
    report.row(
        "largest difference of Aᵀy from torch's transposed convolution", "Aᵀy 与 torch 转置卷积的最大差",
        max(one.error for one in found.matrices), "", 1e-6, "lower",
    )  # fmt: skip
    report.picture(
        "kernels", matrices([Panel(name, kernel) for name, kernel in found.kernels.items()], ".2f"),
        "Bilinear kernels as they are laid around each number, to enlarge by so many times.", "双线性核：按放大倍数叠加在每个数周围。",
    )  # fmt: skip
    names = [say.figure("nearest", "最近邻"), say.figure("bilinear", "双线性"), say.figure("transposed", "转置卷积")]
    report.picture(
        "transposed", labelled_rows({"": found.enlarged}, names),
        f"A patch enlarged {ENLARGED} times. A transposed convolution with a bilinear kernel is bilinear interpolation, away from a border of {ENLARGED // 2} pixels.",
        f"小块放大 {ENLARGED} 倍。核为双线性的转置卷积在距边缘 {ENLARGED // 2} 像素以内处就是双线性插值。",
    )  # fmt: skip
    report.row("largest difference of a bilinear transposed convolution from interpolation", "双线性转置卷积与插值的最大差", found.error, "", 1e-5, "lower")  # fmt: skip


def _printed(values: Tensor) -> str:
    return "\n".join(" ".join(f"{value:4g}" for value in row) for row in values.tolist())


def fields(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    """Receptive fields of the backbones."""
    cells = [
        [measured.runs[name].label(say), backbone, f"{field}"] for name, (backbone, field) in measured.fields.items()
    ]
    report.table(
        ["", say("backbone", "骨干网络"), say("receptive field", "感受野")], cells,
        "Pixels along a side that one number of the coarsest map depends on, found by differentiation.", "最粗特征图上一个数所依赖的像素边长，由求导得出。",
    )  # fmt: skip
