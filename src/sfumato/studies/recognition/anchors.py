"""What recognition is built from, as experiments that take seconds: anchors, transposed convolutions, receptive fields."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou

from ...data.photographs import photographs
from ...nets.receptive import receptive_field
from ...ops.anchors import assign, detect, offsets, prior_boxes
from ...recognition.fcn import bilinear
from ...recognition.segmentation import Segmenter
from ...recognition.ssd import RATIOS, SIZES
from ...reports.anchor_figures import anchor_boxes
from ...reports.figures import labelled_rows
from ..study import Study

# The five-anchor demonstration of "Dive into Deep Learning", section 14.4, and what is printed there.
OBJECTS = torch.tensor([[0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]])
FIVE = torch.tensor(
    [
        [0, 0.1, 0.2, 0.3],
        [0.15, 0.2, 0.4, 0.4],
        [0.63, 0.05, 0.88, 0.98],
        [0.66, 0.45, 0.8, 0.8],
        [0.57, 0.3, 0.92, 0.9],
    ]
)
PRINTED_OVERLAPS = torch.tensor([[0.0536, 0.0], [0.1417, 0.0], [0.0, 0.5657], [0.0, 0.2059], [0.0, 0.7459]])
PRINTED_ASSIGNED = [-1, 0, 1, -1, 1]
PRINTED_OFFSETS = torch.tensor([[1.4, 10, 2.5940, 7.1754], [-1.2, 0.2688, 1.6824, -1.5655], [-0.5714, -1, 0, 0.6258]])
FOUR = torch.tensor([[0.1, 0.08, 0.52, 0.92], [0.08, 0.2, 0.56, 0.95], [0.15, 0.3, 0.62, 0.91], [0.55, 0.2, 0.9, 0.88]])
CHANCES = torch.tensor([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0], [0.1, 0.0, 0.9]])
PHOTOGRAPH, PLACE = "cat", (0.5, 0.45)  # whose pixel has its anchors drawn: shares of height and width
SHOWN_SIZES, SHOWN_RATIOS = (0.75, 0.5, 0.25), (1.0, 2.0, 0.5)
ENLARGED = 4  # times, by a transposed convolution
PATCH = 48  # pixels of a photograph that is enlarged


class ReadingStudy(Study):
    """A study that begins with what recognition is built from. The sections, in the order of the report."""

    def _anchors(self) -> None:
        say = self.say
        self.report.heading(say("Anchors", "锚框"))
        picture = photographs()[PHOTOGRAPH].float() / 255
        height, width = picture.shape[-2:]
        boxes = prior_boxes(height, width, SHOWN_SIZES, SHOWN_RATIOS).view(height, width, -1, 4)
        here = boxes[round(PLACE[0] * height), round(PLACE[1] * width)]
        pairs = [(size, SHOWN_RATIOS[0]) for size in SHOWN_SIZES] + [(SHOWN_SIZES[0], r) for r in SHOWN_RATIOS[1:]]
        self.report.picture(
            "anchors", anchor_boxes(picture, here, [f"s={size:g}, r={ratio:g}" for size, ratio in pairs], range(len(pairs))),
            say(f"The anchors of one pixel of a bundled photograph of {width}×{height}: every size with the first ratio, the first size with every other: {len(pairs)} a pixel, {boxes.numel() // 4:,} in all.",
                f"随包照片（{width}×{height}）中一个像素的锚框：每个尺寸配第一个比例，第一个尺寸配其余比例；每像素 {len(pairs)} 个，共 {boxes.numel() // 4:,} 个。"),
        )  # fmt: skip
        sides = (32, 16, 8, 4, 1)
        each = [len(prior_boxes(side, side, sizes, RATIOS)) for side, sizes in zip(sides, SIZES, strict=True)]
        cells = [
            [f"{side}×{side}", ", ".join(f"{size:g}" for size in sizes), f"{count:,}"]
            for side, sizes, count in zip(sides, SIZES, each, strict=True)
        ]
        self.report.table(
            [say("map", "特征图"), say("sizes", "尺寸"), say("anchors", "锚框数")], [*cells, ["", "", f"{sum(each):,}"]],
            say("TinySSD on 256×256 pixels; ratios 1, 2 and 0.5.", "256×256 上的 TinySSD；比例为 1、2、0.5。"),
        )  # fmt: skip
        self.row("anchors of TinySSD", "TinySSD 的锚框数", sum(each), "", 5444, "lower")
        self._five()

    def _five(self) -> None:
        """The demonstration with a dog, a cat and five anchors."""
        say = self.say
        overlaps = box_iou(FIVE, OBJECTS)
        (assigned,) = assign(OBJECTS[None], torch.tensor([[0, 1]]), FIVE).tolist()
        positive = [place for place, owner in enumerate(assigned) if owner >= 0]
        found = offsets(FIVE[positive], OBJECTS[[assigned[place] for place in positive]])
        names = {-1: say("background", "背景"), 0: say("dog", "狗"), 1: say("cat", "猫")}
        rows = [
            [f"A{place}", *(f"{value:.4f}" for value in overlaps[place].tolist()), names[owner],
             ", ".join(f"{value:.4f}" for value in found[positive.index(place)].tolist()) if owner >= 0 else "–"]
            for place, owner in enumerate(assigned)
        ]  # fmt: skip
        self.report.table(
            ["", say("overlap with the dog", "与狗的交并比"), say("with the cat", "与猫"), say("assigned to", "分配给"), say("offsets", "偏移")],
            rows, say("Five anchors, a dog and a cat: intersection over union; each object gets its best anchor, then every anchor from 0.5 on its best object.",
                      "五个锚框、一只狗、一只猫的交并比；每个物体先得到与它最合的锚框，其余锚框在交并比不小于 0.5 时归最合的物体。"),
        )  # fmt: skip
        self.row(
            "largest difference from the printed overlaps of five anchors", "五个锚框交并比与书中印刷值的最大差",
            float((overlaps - PRINTED_OVERLAPS).abs().max()), "", 1e-4, "lower",
        )  # fmt: skip
        self.row(
            "largest difference from the printed offsets of five anchors", "五个锚框偏移与书中印刷值的最大差",
            float((found - PRINTED_OFFSETS).abs().max()), "", 1e-4, "lower",
        )  # fmt: skip
        wrong = sum(one != other for one, other in zip(assigned, PRINTED_ASSIGNED, strict=True))
        self.row("anchors of five assigned otherwise than printed", "与书中分配不同的锚框数", wrong, "", 0, "lower")
        (kept,) = detect((CHANCES + 1e-9).log()[None], torch.zeros(1, 4, 4), FOUR, score=0.5, overlap=0.5)
        self.row("boxes kept of four by suppression", "四个框经抑制后保留数", len(kept.boxes), "", 2, "lower")

    def _transposed(self) -> None:
        say = self.say
        self.report.heading(say("Transposed convolution", "转置卷积"))
        kernel = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        values = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        shapes = {"": {}, ", stride 2": {"stride": 2}, ", padding 1": {"padding": 1}}
        lines = [f"input and kernel\n{_printed(values)}"]
        for name, options in shapes.items():
            drawn = F.conv_transpose2d(values[None, None], kernel[None, None], **options)[0, 0]
            lines.append(f"transposed convolution{name}\n{_printed(drawn)}")
        self.report.code("\n\n".join(lines))
        self.report.say(
            say("Each number of the input lays its multiple of the kernel on the result; stride is how far apart, padding cuts the border off. It is the convolution's matrix, transposed: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.",
                "输入的每个数把核的相应倍数叠加到结果上；步幅决定相隔多远，填充裁去边缘。它就是卷积矩阵的转置：⟨Ax, y⟩ = ⟨x, Aᵀy⟩。"),
        )  # fmt: skip
        self.row(
            "largest |⟨Ax, y⟩ - ⟨x, Aᵀy⟩| / |⟨Ax, y⟩| of six shapes", "六种形状下 |⟨Ax, y⟩ - ⟨x, Aᵀy⟩| / |⟨Ax, y⟩| 的最大值",
            max(adjointness(stride, padding) for stride in (1, 2, 3) for padding in (0, 1)), "", 1e-9, "lower",
        )  # fmt: skip
        patch = photographs()[PHOTOGRAPH][None, :, 100 : 100 + PATCH, 150 : 150 + PATCH].float() / 255
        with torch.no_grad():
            drawn = bilinear(3, ENLARGED)(patch)
        straight = F.interpolate(patch, scale_factor=ENLARGED, mode="bilinear", align_corners=False)
        near = F.interpolate(patch, scale_factor=ENLARGED)
        names = [
            say.figure("nearest", "最近邻"),
            say.figure("bilinear", "双线性"),
            say.figure("transposed", "转置卷积"),
        ]
        self.report.picture(
            "transposed", labelled_rows({"": torch.cat([near, straight, drawn])}, names),
            say(f"A patch enlarged {ENLARGED} times. A transposed convolution with a bilinear kernel is bilinear interpolation, away from a border of {ENLARGED // 2} pixels.",
                f"小块放大 {ENLARGED} 倍。核为双线性的转置卷积在距边缘 {ENLARGED // 2} 像素以内处就是双线性插值。"),
        )  # fmt: skip
        inner = slice(ENLARGED // 2, -(ENLARGED // 2))
        self.row(
            "largest difference of a bilinear transposed convolution from interpolation", "双线性转置卷积与插值的最大差",
            float((drawn - straight)[..., inner, inner].abs().max()), "", 1e-5, "lower",
        )  # fmt: skip

    def fields(self, systems: Mapping[str, Segmenter]) -> None:
        """A table of receptive fields of the backbones of `systems`, by the names that the report gives them."""
        say = self.say
        cells = []
        for name, system in systems.items():
            whole = nn.Sequential(*system.backbone.stages)
            cells.append([name, system.config.backbone, f"{receptive_field(whole)}"])
        self.report.table(
            ["", say("backbone", "骨干网络"), say("receptive field", "感受野")], cells,
            say("Pixels along a side that one number of the coarsest map depends on, found by differentiation.", "最粗特征图上一个数所依赖的像素边长，由求导得出。"),
        )  # fmt: skip


def adjointness(stride: int, padding: int) -> float:
    """How far ⟨Ax, y⟩ and ⟨x, Aᵀy⟩ differ, relatively, for a convolution A of 3×3 in double precision."""
    generator = torch.Generator().manual_seed(stride + 10 * padding)
    kernel, x = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((4, 3, 3, 3), (1, 3, 13, 13))
    )
    forward = F.conv2d(x, kernel, stride=stride, padding=padding)
    y = torch.randn(forward.shape, generator=generator, dtype=torch.float64)
    back = F.conv_transpose2d(y, kernel, stride=stride, padding=padding)
    back = F.pad(back, (0, 13 - back.shape[-1], 0, 13 - back.shape[-2]))  # rows that a stride skips take no part
    one, other = (forward * y).sum(), (x * back).sum()
    return float((one - other).abs() / one.abs())


def _printed(values: Tensor) -> str:
    return "\n".join(" ".join(f"{value:4g}" for value in row) for row in values.tolist())
