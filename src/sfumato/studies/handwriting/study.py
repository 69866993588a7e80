"""The handwriting study: a deep autoencoder learns digits, is denoised, explored and measured.

It follows the course experiment on MNIST: 784-512-128-64-10-2 and its mirror, LeakyReLU(0.02), sigmoid output, binary
cross-entropy, batch 256, Adam 1e-3, ReduceLROnPlateau(factor 0.1, patience 5), 100 epochs (denoising: 120).
`full` is that experiment; `quick` draws fewer images and, on the embedded digits, takes smaller batches.
Published numbers are on MNIST: they are held against measured ones only for a full run on MNIST.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...autoencoders.autoencoder import Autoencoder
from ...data.sources import View, open_data
from ...errors import SfumatoError
from ...metrics.digit_reader import CONFIDENT, DigitReader, train_reader
from ...metrics.plane import CodePlane, describe_codes
from ...metrics.reconstruction import entropy_floor, fidelity
from ...ops.penalties import sum_of_norms
from ...reports.figures import curve, labelled_rows, plane, scatter
from ...reports.language import Language
from ...runs.evaluate import decode, encode, noisy_images, reconstruct
from ...runs.page import RECONSTRUCTION
from ...seeds import derive
from ..dogs.layers import layer_rows
from ..study import Plan, Study, whole_epochs

PUBLISHED_TRAIN_BCE = {"autoencoder": {10: 0.175239, 40: 0.165478, 100: 0.158320}, "denoising": {10: 0.182431, 120: 0.164589}}  # fmt: skip
PUBLISHED_RANGE = ((-30.0, 50.0), (-30.0, 80.0))
SIDE = 20  # cells along each axis of a sampled plane
MARGIN = 0.5
L2_BOX = (-5.0, 5.0, -5.0, 5.0)  # left, right, bottom, top
QUICK_IMAGES = 180_000
QUICK_ABLATION_IMAGES = 90_000
WEIGHT_DECAY = 1e-4
NORM_PENALTY = 3e-4
SMALL = 10_000  # training images; below, quick takes batches of 64


@dataclass(frozen=True)
class Plane:
    """A square of decoded codes: images (SIDE², c, h, w), first row at the top, and which of them are legible."""

    images: Tensor
    legible: Tensor
    extent: tuple[float, float, float, float]

    @property
    def share(self) -> float:
        return float(self.legible.float().mean())


class Handwriting(Study):
    name = "handwriting"

    def __init__(
        self, out: Path, source: str, full: bool, language: Language, seed: int, device: str, precision: str
    ) -> None:
        data = open_data(source, View(channels=1, resolution=28))
        if data.train.labels is None or len(data.classes) != 10:
            raise SfumatoError(f"data {source!r}: the handwriting study needs ten classes; it has {len(data.classes)}")
        assert data.test.labels is not None
        if len(data.test.labels.unique()) < len(data.classes):
            raise SfumatoError(f"data {source!r}: the handwriting study needs test images of every class")
        super().__init__(out, data, source, full, language, seed, device, precision)
        self.images = data.test.images()
        self.labels = data.test.labels
        self.comparable = full and data.name == "mnist"
        self.outputs: dict[str, Tensor] = {}
        self.plans = {plan.name: plan for plan in self._plans()}

    def title(self) -> str:
        return self.say("Handwriting: what a deep autoencoder learns", "手写数字：深度自编码器学到了什么")

    def _plans(self) -> list[Plan]:
        count = len(self.data.train)
        if self.full:
            main, noisy, ablation = 100 * count, 120 * count, 100 * count
        else:
            main = noisy = whole_epochs(QUICK_IMAGES, count)
            ablation = whole_epochs(QUICK_ABLATION_IMAGES, count)
        common = {"batch_size": 256 if self.full or count >= SMALL else 64}
        base = {**common, "images": main}
        short = {**common, "images": ablation}
        # What an ablation is held against must have had the same budget.
        reference = [] if main == ablation else [Plan("reference", "stacked:mnist", short, "reference", "基准")]
        return [
            Plan("autoencoder", "stacked:mnist", base, "autoencoder", "自编码器"),
            Plan("denoising", "denoising:mnist", {**common, "images": noisy}, "denoising", "去噪自编码器"),
            Plan("weight-decay", "stacked:mnist", {**base, "weight_decay": WEIGHT_DECAY}, "L2: weight decay", "L2：权重衰减"),
            Plan("norm-penalty", "stacked:mnist", {**base, "norm_penalty": NORM_PENALTY}, "L2: sum of norms", "L2：范数之和"),
            *reference,
            Plan("bottleneck-128", "stacked:mnist", {**short, "bottleneck": 128, "widths": (512, 256)},
                 "bottleneck 128", "瓶颈 128"),
            Plan("mse", "stacked:mnist", {**short, "loss": "mse"}, "MSE", "MSE"),
            Plan("relu", "stacked:mnist", {**short, "activation": "relu"}, "ReLU + sigmoid", "ReLU + sigmoid"),
            Plan("all-sigmoid", "stacked:mnist", {**short, "activation": "sigmoid"}, "all sigmoid", "全 sigmoid"),
            Plan("cnn", "convolutional:mnist", short, "CNN", "卷积网络"),
        ]  # fmt: skip

    def run(self) -> dict[str, Any]:
        """Trains what is not there yet, measures, and writes the report."""
        began = time.monotonic()
        self.train_plans()
        for name in self.runs:
            self.outputs[name] = reconstruct(self.system(name), self.images, self.runtime)
        self.reader = train_reader(self.data, self.runtime, self.seed)
        self._opening()
        self._network()
        self._training()
        self._denoising()
        plain, plain_plane = self._code_plane()
        self._regularised(plain, plain_plane)
        self._ablations()
        self._published()
        return self.finish(began)

    def system(self, name: str) -> Autoencoder:
        system = self.runs[name].system
        assert isinstance(system, Autoencoder)
        return system

    # The sections, in the order of the report.

    def _opening(self) -> None:
        self.opening()

    def _network(self) -> None:
        say = self.say
        self.report.heading(say("The network", "网络结构"))
        system = self.system("autoencoder")
        rows, total = layer_rows(system)
        self.report.say(
            say(
                f"The encoder squeezes 784 pixels into {system.config.bottleneck} numbers, the decoder unfolds them "
                f"again; {total:,} parameters in all. The decoder's last layer gives logits and a sigmoid makes them "
                f"grey levels, so that the cross-entropy can be computed in its stable form.",
                f"编码器把 784 个像素压缩成 {system.config.bottleneck} 个数，解码器再把它们展开；共 {total:,} 个参数。"
                f"解码器最后一层给出 logits，再经 sigmoid 变为灰度，这样交叉熵可以用数值稳定的形式计算。",
            )
        )
        self.report.code(str(system))
        head = [say("part", "部分"), say("layer", "层"), say("output shape", "输出形状"), say("parameters", "参数量")]
        self.report.table(head, rows, say("Layers in order.", "各层依次列出。"))

    def _training(self) -> None:
        say = self.say
        self.report.heading(say("Training with a 2-dimensional bottleneck", "二维瓶颈的训练"))
        self._curve("autoencoder")
        system, images, outputs = self.system("autoencoder"), self.images, self.outputs["autoencoder"]
        measured = fidelity(images, outputs)
        chosen = self._one_per_digit()
        self.report.picture(
            "reconstructions",
            labelled_rows(
                {say.figure("original", "原图"): images[chosen], say.figure("reconstruction", "重建"): outputs[chosen]},
                self.data.classes,
            ),
            say(
                f"The first test image of each digit above its reconstruction from 2 numbers. On all {len(images):,} "
                f"test images: BCE {measured['bce']:.6f}, MSE {measured['mse']:.6f}, PSNR {measured['psnr']:.2f} dB, "
                f"SSIM {measured['ssim']:.4f}.",
                f"每个数字的第一张测试图像（上）与由 2 个数重建的图像（下）。全部 {len(images):,} 张测试图像："
                f"BCE {measured['bce']:.6f}，MSE {measured['mse']:.6f}，PSNR {measured['psnr']:.2f} dB，SSIM {measured['ssim']:.4f}。",
            ),
        )
        self._measures_table(
            [
                (self.label("autoencoder"), measured),
                *((say(en, zh), values) for en, zh, values in self._baselines("autoencoder")),
            ],
            say(
                f"Test images. No reconstruction of them can have a BCE below {entropy_floor(images):.6f}, the entropy "
                f"of their grey levels. psnr is the mean over images, psnr_pooled that of the mean squared error (dB).",
                f"测试图像。任何重建的 BCE 都不可能低于 {entropy_floor(images):.6f}，即灰度本身的熵。"
                f"psnr 为逐图平均，psnr_pooled 由总均方误差算得（dB）。",
            ),
        )
        whole = self.data.train.images()
        fixed = fidelity(whole, reconstruct(system, whole, self.runtime))["bce"]
        self.report.say(
            say(
                f"The training BCE of the curve is the mean over an epoch while the weights still move; with the final "
                f"weights, the whole training set has BCE {fixed:.6f}.",
                f"曲线中的训练 BCE 是一个 epoch 内（权重仍在变化时）的平均；用最终权重，整个训练集的 BCE 为 {fixed:.6f}。",
            )
        )
        self.row(
            "autoencoder: bce on the training set, final weights",
            "自编码器：训练集 bce（最终权重）",
            fixed,
            "nats/pixel",
        )
        named = [("autoencoder", "自编码器", measured)]
        named += [(f"{en} (baseline)", f"{zh}（基线）", values) for en, zh, values in self._baselines("autoencoder")]
        for key, unit in (("bce", "nats/pixel"), ("psnr", "dB"), ("ssim", "")):
            for en, zh, values in named:
                self.row(f"{en}: {key} on the test set", f"{zh}：测试集 {key}", values[key], unit)

    def _denoising(self) -> None:
        say = self.say
        self.report.heading(say("Denoising", "去噪"))
        self._curve("denoising")
        system = self.system("denoising")
        noisy = noisy_images(system, self.images)
        denoised = reconstruct(system, noisy, self.runtime)
        before, after = fidelity(self.images, noisy.clamp(0, 1)), fidelity(self.images, denoised)
        chosen = self._one_per_digit()
        self.report.picture(
            "denoising",
            labelled_rows(
                {
                    say.figure("original", "原图"): self.images[chosen],
                    say.figure("noisy", "加噪"): noisy[chosen],
                    say.figure("denoised", "去噪"): denoised[chosen],
                },
                self.data.classes,
            ),
            say(
                f"Ten triples of the test set. The network sees x + 0.4·N(0, 1), not clipped, and answers with x. "
                f"PSNR over {len(self.images):,} images: noisy (cut to [0, 1]) {before['psnr']:.2f} dB, denoised "
                f"{after['psnr']:.2f} dB; SSIM {before['ssim']:.4f} and {after['ssim']:.4f}.",
                f"测试集的十组三联图。网络看到 x + 0.4·N(0, 1)（不截断），输出 x。{len(self.images):,} 张图像的 PSNR："
                f"加噪（截断到 [0, 1]）{before['psnr']:.2f} dB，去噪 {after['psnr']:.2f} dB；"
                f"SSIM 分别为 {before['ssim']:.4f} 和 {after['ssim']:.4f}。",
            ),
        )
        self.row("noisy input, cut to [0, 1] (baseline): psnr", "加噪图像（截断，基线）：psnr", before["psnr"], "dB")
        self.row("denoised: psnr", "去噪图像：psnr", after["psnr"], "dB")

    def _code_plane(self) -> tuple[CodePlane, Plane]:
        say = self.say
        self.report.heading(say("The code plane", "编码平面"))
        codes = self.codes("autoencoder")
        numbers = describe_codes(codes, self.labels)
        (left, bottom), (right, top) = numbers.low, numbers.high
        axes = (say.figure("first number of the code", "编码第 1 维"), say.figure("second number", "编码第 2 维"))
        self.report.picture(
            "codes",
            scatter(codes, self.labels, self.data.classes, *axes, box=(left, bottom, right, top)),
            say(
                f"The codes of all {len(codes):,} test images by digit; the dashed box is the occupied range, "
                f"[{left:.1f}, {right:.1f}] × [{bottom:.1f}, {top:.1f}].",
                f"全部 {len(codes):,} 张测试图像的编码，按数字着色；虚线框为占据范围 "
                f"[{left:.1f}, {right:.1f}] × [{bottom:.1f}, {top:.1f}]。",
            ),
        )
        extent = _around(numbers)
        sampled = self.plane("autoencoder", extent)
        self.report.picture(
            "plane",
            plane(sampled.images, SIDE, extent, *axes, legible=sampled.legible),
            say(
                f"{SIDE}×{SIDE} codes spread evenly over that range ± {MARGIN}, decoded. Tinted cells are those that "
                f"the digit reader does not read with confidence ≥ {CONFIDENT}.",
                f"在该范围 ± {MARGIN} 内均匀取 {SIDE}×{SIDE} 个编码并解码。着色的格子是分类器置信度低于 {CONFIDENT} 的。",
            ),
        )
        self._describe(numbers, sampled)
        for axis, (low, high) in enumerate(PUBLISHED_RANGE):
            which = axis + 1
            self.row(f"code range, axis {which}: lowest", f"编码第 {which} 维：最小", numbers.low[axis], "", low)
            self.row(f"code range, axis {which}: highest", f"编码第 {which} 维：最大", numbers.high[axis], "", high)
        same = 100 * numbers.neighbour_accuracy
        self.row("codes whose nearest neighbour is the same digit", "最近邻为同一数字的编码", same, "%")
        self.row("the same by chance (baseline)", "随机时（基线）", 100 * numbers.chance, "%")
        self.row("legible cells of the sampled plane", "采样平面中可辨认的格子", 100 * sampled.share, "%")
        return numbers, sampled

    def _describe(self, numbers: CodePlane, sampled: Plane) -> None:
        """What the plane shows, in words made from the numbers."""
        say, names = self.say, self.data.classes
        order = sorted(range(len(names)), key=lambda k: numbers.compactness[k])
        tight, loose = order[:2], order[-1]
        pairs = numbers.overlaps[:3]
        shown = ", ".join(f"{names[a]}→{names[b]} ({share:.0%})" for a, b, share in pairs)
        real, mean, noise = self._legibility_baselines()
        accuracy = float((self.reader.probabilities(self.images).argmax(1) == self.labels).float().mean())
        self.report.say(
            say(
                f"The codes of {names[tight[0]]} and {names[tight[1]]} lie tightest (mean distance to their centre "
                f"{numbers.compactness[tight[0]]:.2f} and {numbers.compactness[tight[1]]:.2f} of the mean distance "
                f"between centres); those of {names[loose]} are the most scattered ({numbers.compactness[loose]:.2f}). "
                f"The nearest other code shows the same digit in {numbers.neighbour_accuracy:.1%} of cases; by chance "
                f"it would be {numbers.chance:.1%}. The largest overlaps, as the share of the first digit's codes whose "
                f"nearest neighbour is the second digit: {shown}.",
                f"{names[tight[0]]} 和 {names[tight[1]]} 的编码最紧凑（到各自中心的平均距离为中心间平均距离的 "
                f"{numbers.compactness[tight[0]]:.2f} 和 {numbers.compactness[tight[1]]:.2f}）；{names[loose]} 最分散"
                f"（{numbers.compactness[loose]:.2f}）。最近邻编码为同一数字的比例为 {numbers.neighbour_accuracy:.1%}，"
                f"随机时为 {numbers.chance:.1%}。重叠最多的数字对（前者的编码中最近邻为后者的比例）：{shown}。",
            )
        )
        self.report.say(
            say(
                f"Of the {SIDE * SIDE} cells, {sampled.share:.1%} show what the digit reader takes for a digit with "
                f"confidence ≥ {CONFIDENT}; the other {1 - sampled.share:.1%} are the space between. The reader (a small "
                f"CNN trained on the same images, hash {self.reader.hash()}) has {accuracy:.1%} test accuracy and finds "
                f"{real:.1%} of real test images legible, {noise:.1%} of uniform noise images, and the mean image "
                f"{'legible' if mean else 'not legible'}. The share says what this "
                f"classifier reads: it knows only digits, and can be confident about a shape that no person would read.",
                f"{SIDE * SIDE} 个格子中，{sampled.share:.1%} 被分类器以不低于 {CONFIDENT} 的置信度认作数字，其余 "
                f"{1 - sampled.share:.1%} 是数字之间的空隙。该分类器（在同样图像上训练的小型卷积网络，哈希 {self.reader.hash()}）"
                f"测试准确率 {accuracy:.1%}；真实测试图像有 {real:.1%} 可辨认，均匀噪声图像 {noise:.1%}，平均图像"
                f"{'可辨认' if mean else '不可辨认'}。这一比例只说明该分类器认得什么：它只认识数字，可能对人看不懂的形状也很有把握。",
            )
        )
        self.row("digit reader: test accuracy", "分类器：测试准确率", 100 * accuracy, "%")
        self.row("legible among real test images", "真实测试图像中可辨认的", 100 * real, "%")
        self.row("legible among uniform noise images (baseline)", "均匀噪声图像中可辨认的（基线）", 100 * noise, "%")

    def _regularised(self, plain: CodePlane, plain_plane: Plane) -> None:
        say = self.say
        self.report.heading(say("The same with L2 regularisation, in its two forms", "加入 L2 正则化（两种形式）"))
        self.report.say(
            say(
                f"Two things are called L2: weight decay inside the optimiser (here {WEIGHT_DECAY:g}·θ is added to "
                f"each gradient), and the sum of the parameters' 2-norms added to the loss (here {NORM_PENALTY:g}·Σ‖θ‖₂, "
                f"not squared). They are measured apart.",
                f"有两样东西都叫 L2：优化器中的权重衰减（这里每个梯度加上 {WEIGHT_DECAY:g}·θ），以及加到损失里的参数 2-范数之和"
                f"（这里为 {NORM_PENALTY:g}·Σ‖θ‖₂，不平方）。下面分别测量。",
            )
        )
        axes = (say.figure("first number of the code", "编码第 1 维"), say.figure("second number", "编码第 2 维"))
        rows = []
        for name in ("autoencoder", "weight-decay", "norm-penalty"):
            sampled = self.plane(name, L2_BOX)
            numbers = plain if name == "autoencoder" else describe_codes(self.codes(name), self.labels)
            measured = fidelity(self.images, self.outputs[name])
            norm = float(sum_of_norms(parameter.detach() for parameter in self.system(name).parameters()))
            spread = self.codes(name).std(0).mean()
            wide = plain_plane if name == "autoencoder" else self.plane(name, _around(numbers))
            rows.append(
                [
                    self.label(name), f"{measured['bce']:.6f}", f"{measured['psnr']:.2f}", f"{norm:.1f}",
                    f"[{numbers.low[0]:.1f}, {numbers.high[0]:.1f}] × [{numbers.low[1]:.1f}, {numbers.high[1]:.1f}]",
                    f"{spread:.2f}", f"{numbers.neighbour_accuracy:.1%}", f"{wide.share:.1%}", f"{sampled.share:.1%}",
                ]
            )  # fmt: skip
            plan = self.plans[name]
            self.row(f"{plan.en}: spread of the codes", f"{plan.zh}：编码标准差", float(spread), "")
            self.row(
                f"{plan.en}: legible cells of [-5, 5]²", f"{plan.zh}：[-5, 5]² 中可辨认的格子", 100 * sampled.share, "%"
            )
            if name == "autoencoder":
                continue
            self.row(f"{plan.en}: bce on the test set", f"{plan.zh}：测试集 bce", measured["bce"], "nats/pixel")
            inside = (self.codes(name).abs() <= L2_BOX[1]).all(1).float().mean()
            self.report.picture(
                f"plane-{name}",
                plane(sampled.images, SIDE, L2_BOX, *axes, legible=sampled.legible),
                say(
                    f"{self.label(name)}: {SIDE}×{SIDE} codes from (-5, -5) to (5, 5), decoded. {inside:.1%} of the test "
                    f"codes lie in this square; {sampled.share:.1%} of its cells are legible.",
                    f"{self.label(name)}：从 (-5, -5) 到 (5, 5) 的 {SIDE}×{SIDE} 个编码的解码。{inside:.1%} 的测试编码在此方形内；"
                    f"{sampled.share:.1%} 的格子可辨认。",
                ),
            )
        head = ["", "bce", "psnr", "Σ‖θ‖₂", say("code range", "编码范围"), say("spread", "标准差"),
                say("same-digit neighbour", "同类近邻"), say("legible, range", "可辨认（范围）"),
                say("legible, ±5", "可辨认（±5）")]  # fmt: skip
        self.report.table(
            head,
            rows,
            say(
                "What the two forms of L2 moved. Spread: standard deviation of the test codes, mean of both axes. "
                "Legible: share of 20×20 cells over the occupied range ± 0.5, and over [-5, 5]².",
                "两种 L2 各自改变了什么。标准差：测试编码两轴标准差的平均。可辨认：占据范围 ± 0.5 及 [-5, 5]² 上 20×20 格子的比例。",
            ),
        )

    def _ablations(self) -> None:
        say = self.say
        self.report.heading(say("Ablations side by side", "消融实验"))
        reference = "reference" if "reference" in self.plans else "autoencoder"
        names = [reference, "bottleneck-128", "mse", "relu", "all-sigmoid", "cnn"]
        chosen = self._one_per_digit()
        pictures = {say.figure("original", "原图"): self.images[chosen]}
        rows = []
        for name in names:
            measured = fidelity(self.images, self.outputs[name])
            rows.append((f"{self.label(name)} ({self.seconds(name):.0f} s)", measured))
            pictures[self.figure_label(name)] = self.outputs[name][chosen]
            if name != "autoencoder":
                plan = self.plans[name]
                en, zh = f"ablation, {plan.en}: psnr on the test set", f"消融，{plan.zh}：测试集 psnr"
                self.row(en, zh, measured["psnr"], "dB")
        for en, zh, values in (self._baselines(reference)[0], *self._baselines("bottleneck-128")):
            rows.append((say(en, zh), values))
        self.report.picture(
            "ablations",
            labelled_rows(pictures, self.data.classes),
            say(
                "The same ten test images through each variant. The reference has bottleneck 2, BCE, LeakyReLU and "
                "linear layers; each other row changes one of these (bottleneck 128 drops the narrower layers too).",
                "同样的十张测试图像经过各变体。基准为瓶颈 2、BCE、LeakyReLU、全连接层；其余各行各改变一项（瓶颈 128 同时去掉更窄的层）。",
            ),
        )
        self._measures_table(
            rows,
            say(
                "All variants with the same number of training images, seconds of training in brackets; PCA with as "
                "many components as the code has numbers. With bottleneck 128 the widths are 512-256-128.",
                "各变体的训练图像数相同，括号内为训练秒数；PCA 的主成分数与编码维数相同。瓶颈为 128 时层宽为 512-256-128。",
            ),
        )

    def _published(self) -> None:
        say = self.say
        self.report.heading(say("Published vs. measured", "发表值与实测值"))
        rows, self.rows = self.rows, []
        for name, published in PUBLISHED_TRAIN_BCE.items():
            losses = {round(row["epoch"], 2): row["bce"] for row in self.runs[name].metrics()}
            for epoch, value in published.items():
                if epoch in losses:
                    en, zh = f"{name}: train bce, epoch {epoch}", f"{self.plans[name].zh}：训练 bce，epoch {epoch}"
                    self.row(en, zh, losses[epoch], "nats/pixel", value, "lower", self.comparable)
        self.rows += rows
        if not self.comparable:
            self.report.say(
                say(
                    f"This run is {'full' if self.full else 'quick'} scale on {self.data.name}; the published numbers "
                    f"are for 100 and 120 epochs of MNIST. They stand beside the measured ones for orientation and "
                    f"are not held against them.",
                    f"本次为{'完整' if self.full else '快速'}规模、数据 {self.data.name}；发表值来自 MNIST 上的 100 和 120 个 epoch，"
                    f"列出仅供参考，不作比较。",
                ),
                loud=True,
            )
        self.rows_table()

    # What the sections are made of.

    def seconds(self, name: str) -> float:
        return self.runs[name].metrics()[-1]["seconds"]

    def codes(self, name: str) -> Tensor:
        """The codes of all test images, (n, 2) on the CPU."""
        return encode(self.system(name), self.images, self.runtime)

    def plane(self, name: str, extent: tuple[float, float, float, float]) -> Plane:
        """SIDE × SIDE codes over `extent` (left, right, bottom, top), decoded and read."""
        left, right, bottom, top = extent
        x, y = torch.linspace(left, right, SIDE), torch.linspace(top, bottom, SIDE)
        codes = torch.stack([x.repeat(SIDE), y.repeat_interleave(SIDE)], dim=1)
        images = decode(self.system(name), codes, self.runtime)
        return Plane(images, self.reader.legible(images), extent)

    def _one_per_digit(self) -> list[int]:
        return [int((self.labels == digit).nonzero()[0]) for digit in range(len(self.data.classes))]

    def _baselines(self, name: str) -> list[tuple[str, str, dict[str, float]]]:
        """PCA of the same code size and the mean image, as the run's own evaluation measured them, in two languages."""
        rows = self.runs[name].evaluation["rows"][-2:]
        chinese: dict[str, str] = {"mean image": "平均图像"}
        named: list[tuple[str, str, dict[str, float]]] = []
        for row in rows:
            name = str(row["name"])
            named.append((name, chinese.get(name, name), {key: row[key] for key in RECONSTRUCTION}))
        return named

    def _legibility_baselines(self) -> tuple[float, bool, float]:
        """Legible: the share of real test images, whether the mean image is, the share of uniform noise images."""
        noise = torch.rand(400, 1, 28, 28, generator=torch.Generator().manual_seed(derive(self.seed, "uniform noise")))
        mean = self.images.mean(0, keepdim=True)
        real = self.reader.legible(self.images).float().mean()
        return float(real), bool(self.reader.legible(mean)[0]), float(self.reader.legible(noise).float().mean())

    def _curve(self, name: str) -> None:
        """The loss curve of a run with its learning rate, and the published points where they can be compared."""
        say, rows = self.say, self.runs[name].metrics()
        epochs, losses = [row["epoch"] for row in rows], [row["bce"] for row in rows]
        rates = [row["learning_rate"] for row in rows]
        marks = list(PUBLISHED_TRAIN_BCE[name].items()) if self.comparable else []
        self.report.picture(
            f"curve-{name}",
            curve(
                {say.figure("training BCE", "训练 BCE"): (epochs, losses)},
                say.figure("epoch", "epoch"),
                say.figure("BCE per pixel, nats", "每像素 BCE（nat）"),
                (say.figure("learning rate", "学习率"), epochs, rates),
                marks,
                say.figure("published", "发表值"),
            ),
            say(
                f"Training loss of the {self.plans[name].en} network and its learning rate: BCE {losses[-1]:.6f} after "
                f"{epochs[-1]:.0f} epochs ({rows[-1]['images']:,} images) in {self.seconds(name):.0f} s; the rate went "
                f"from {rates[0]:g} to {rates[-1]:g}.",
                f"{self.plans[name].zh}的训练损失与学习率：{epochs[-1]:.0f} 个 epoch（{rows[-1]['images']:,} 张图像）后 BCE 为 "
                f"{losses[-1]:.6f}，用时 {self.seconds(name):.0f} 秒；学习率由 {rates[0]:g} 降到 {rates[-1]:g}。",
            ),
        )

    def _measures_table(self, rows: list[tuple[str, dict[str, float]]], caption: str) -> None:
        cells = [[name, *(form.format(values[key]) for key, form in RECONSTRUCTION.items())] for name, values in rows]
        self.report.table(["", *RECONSTRUCTION], cells, caption)

    reader: DigitReader


def _around(numbers: CodePlane) -> tuple[float, float, float, float]:
    (left, bottom), (right, top) = numbers.low, numbers.high
    return left - MARGIN, right + MARGIN, bottom - MARGIN, top + MARGIN
