"""The dogs study: what the code of a photograph is, and whether an autoencoder generates.

It follows the course experiment on 64×64 dogs: a convolutional autoencoder with a 16×8×8 code, one with noise on codes
of power 1 at three strengths, one with a 16×16×16 code; a Gaussian fitted to 256 codes, drawn from, blended with real
codes, perturbed. To that it adds what the text left open: held-out images, linear codes of the same size, the nearest
real code, a measure of generation, and a network of ours for the same code.
`quick` draws a few thousand images per run. Published numbers are on another set of dogs and on its training images:
they stand beside the measured ones and are never held against them.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...autoencoders.autoencoder import Autoencoder
from ...autoencoders.codes import FITTED, Codes
from ...autoencoders.convolutional import ConvolutionalAutoencoder
from ...data.sources import View, open_data
from ...errors import SfumatoError
from ...metrics.distance import Features
from ...metrics.reconstruction import Row as Measures
from ...metrics.reconstruction import fidelity, psnr
from ...ops.noise import measured_snr, nominal_snr
from ...reports.figures import code_pictures, curve, labelled_rows
from ...reports.language import Language
from ...runs.evaluate import baselines, decode, encode, sent_codes
from ...runs.page import RECONSTRUCTION
from ...seeds import derive
from ..study import Plan, whole_epochs
from .layers import layer_rows, multiply_adds
from .spaces import SHOWN, SpaceStudy

LEVELS = (0.05, 0.1, 0.15)
PUBLISHED_PSNR = {0.05: 25.9, 0.1: 24.3, 0.15: 24.2}  # image and reconstruction, dB
PUBLISHED_AGREEMENT = {0.05: 42.0, 0.1: 37.0, 0.15: 36.0}  # reconstruction and noisy reconstruction, dB
PUBLISHED_CODE_16, PUBLISHED_BEST = 31.4, 32.06  # dB, and what is given as the best
FULL_EPOCHS = {"reference": 30, "noise": 30, "code-16": 25, "better": 40}
QUICK_IMAGES = {"reference": 15_000, "noise": 10_000, "code-16": 10_000, "better": 15_000}
MIN_IMAGES = 16  # of each split
MAX_IMAGES = 2_000  # of each split that are measured


@dataclass(frozen=True)
class Sent:
    """What images become through a code without and with noise, and the signal-to-noise ratio of that code in dB."""

    clean: Tensor
    noisy: Tensor
    snr: float


class Dogs(SpaceStudy):
    name = "dogs"

    def __init__(
        self, out: Path, source: str, full: bool, language: Language, seed: int, device: str, precision: str,
        features: Path | None = None,
    ) -> None:  # fmt: skip
        data = open_data(source, View(channels=3, resolution=64))
        if min(len(data.train), len(data.test)) < MIN_IMAGES:
            raise SfumatoError(
                f"data {source!r}: the dogs study needs {MIN_IMAGES} training and {MIN_IMAGES} test images at least; "
                f"it has {len(data.train)} and {len(data.test)}"
            )
        self.features = Features(features)
        super().__init__(out, data, source, full, language, seed, device, precision)
        self.features.to(self.runtime.device)
        self.options = f" --features {features.name}" if features else ""
        count = min(len(data.train), len(data.test), MAX_IMAGES)
        self.notes = {"features": self.features.name, "images in each measured set": count}
        shuffled = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(derive(seed, "dogs", "test")))
        self.images = data.test.images(shuffled[:count])
        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(derive(seed, "dogs", "train")))
        self.train_images = data.train.images(order[:count])
        self.levels = {**{f"noise-{level:.2f}": level for level in LEVELS}, "better": LEVELS[0]}
        self.plans = {plan.name: plan for plan in self._plans()}

    def title(self) -> str:
        return self.say("Dogs: what a code of a photograph is", "狗的照片：编码是什么")

    def _plans(self) -> list[Plan]:
        count = len(self.data.train)

        def budget(kind: str) -> dict[str, int]:
            return {"images": FULL_EPOCHS[kind] * count if self.full else whole_epochs(QUICK_IMAGES[kind], count)}

        noisy = [
            Plan(f"noise-{level:.2f}", "convolutional:reference", {**budget("noise"), "latent_noise": level},
                 f"reference, σ {level:g}", f"基准网络，σ {level:g}")
            for level in LEVELS
        ]  # fmt: skip
        return [
            Plan("reference", "convolutional:reference", budget("reference"), "reference", "基准网络"),
            *noisy,
            Plan("code-16", "convolutional:reference-16", budget("code-16"), "reference, 16×16×16 code", "基准网络，16×16×16 编码"),
            Plan("better", "convolutional:better", budget("better"), "ours, σ 0.05", "我们的网络，σ 0.05"),
        ]  # fmt: skip

    def run(self) -> dict[str, Any]:
        """Trains what is not there yet, measures, and writes the report."""
        began = time.monotonic()
        self.train_plans()
        self.spaces = {
            name: Codes(run, min(FITTED, len(self.data.train)), self.seed) for name, run in self.runs.items()
        }
        self.opening()
        self._networks()
        self._training()
        self._codes()
        self._reconstruction()
        self._noise()
        self._gaussian()
        self._space()
        self._noisy_spaces()
        self._generation()
        self.left_out()
        self._published()
        return self.finish(began)

    def system(self, name: str) -> Autoencoder:
        system = self.runs[name].system
        assert isinstance(system, ConvolutionalAutoencoder)
        return system

    # The sections, in the order of the report.

    def _networks(self) -> None:
        say = self.say
        self.report.heading(say("The networks", "网络结构"))
        rows, total = layer_rows(self.system("reference"))
        reference, better = multiply_adds(self.system("reference")), multiply_adds(self.system("better"))
        ours = sum(parameter.numel() for parameter in self.system("better").parameters())
        self.report.say(
            say(
                f"The reference squeezes 64×64×3 = 12,288 numbers into 16 maps of 8×8 = 1,024 and unfolds them again: "
                f"{total:,} parameters, {reference / 1e6:.0f} million multiply-adds per image. Ours, for the same code, "
                f"has {ours:,} parameters and {better / 1e6:.0f} million multiply-adds ({better / reference:.2f} times as "
                f"many): pixels folded into channels instead of pooling, residual blocks without batch norm, and "
                f"no ReLU on the code.",
                f"基准网络把 64×64×3 = 12,288 个数压缩成 16 张 8×8 的图，共 1,024 个数，再展开：{total:,} 个参数，每张图像 "
                f"{reference / 1e6:.0f} 百万次乘加。我们的网络编码大小相同，{ours:,} 个参数，{better / 1e6:.0f} 百万次乘加"
                f"（{better / reference:.2f} 倍）：用像素折叠代替池化，无批归一化的残差块，编码上没有 ReLU。",
            )
        )
        head = [say("part", "部分"), say("layer", "层"), say("output shape", "输出形状"), say("parameters", "参数量")]
        self.report.table(
            head,
            rows,
            say(
                "The reference, layer by layer. Twice the logit through a sigmoid is the printed Tanh, brought to [0, 1].",
                "基准网络各层。两倍 logit 的 sigmoid 即原文的 Tanh（换算到 [0, 1]）。",
            ),
        )
        self.row("multiply-adds, reference", "乘加次数，基准网络", reference / 1e6, "million/image")
        self.row("multiply-adds, ours", "乘加次数，我们的网络", better / 1e6, "million/image")

    def _training(self) -> None:
        say = self.say
        self.report.heading(say("Training", "训练"))
        series = {}
        for name, run in self.runs.items():
            rows = run.metrics()
            levels = [-10 * torch.log10(torch.tensor(row["mse"])).item() for row in rows]
            series[self.figure_label(name)] = ([row["epoch"] for row in rows], levels)
        spent = ", ".join(
            f"{self.label(name)}: {run.metrics()[-1]['epoch']:.0f} ({run.metrics()[-1]['seconds']:.0f} s)"
            for name, run in self.runs.items()
        )
        self.report.picture(
            "curves",
            curve(series, say.figure("epoch", "epoch"), say.figure("training PSNR (pooled), dB", "训练 PSNR（总体），dB"), rising=True),
            say(
                f"PSNR of each epoch's mean squared error while training, noise included. Epochs and seconds: {spent}.",
                f"训练中每个 epoch 均方误差对应的 PSNR（含噪声）。epoch 数与秒数：{spent}。",
            ),
        )  # fmt: skip
        self.report.say(
            say(
                "The learning rate falls to 0 along a cosine: a curve that flattens at its end does not show that a longer run "
                "would gain nothing. What the second half of each run gained in training: ",
                "学习率按余弦降到 0：曲线末端变平并不说明更长的训练没有增益。各次训练后半程的增益（训练 PSNR）为：",
            )
            + "; ".join(
                f"{label} {levels[-1] - levels[(len(levels) - 1) // 2]:+.2f} dB"
                for label, (_, levels) in series.items()
            )
        )

    def _codes(self) -> None:
        say, space = self.say, self.spaces["reference"]
        self.report.heading(say("Codes", "编码"))
        codes = space.encode(self.images[:SHOWN])
        names = (say.figure("image", "原图"), say.figure("code", "编码"), say.figure("histogram", "直方图"),
                 say.figure("reconstruction", "重建"))  # fmt: skip
        self.report.picture(
            "codes",
            code_pictures(self.images[:SHOWN], space.maps(codes), space.decode(codes), names),
            say(
                "Held-out images, the 16 maps of their codes (each scaled to its own range), histograms of the 1,024 "
                "numbers (logarithmic), reconstructions. The maps are small pictures of their image: this code keeps "
                "places.",
                "留出图像、编码的 16 张图（各自缩放）、1,024 个数的直方图（对数纵轴）、重建。编码图仍是原图的缩影：位置被保留。",
            ),
        )
        rows = []
        for name, space in self.spaces.items():
            facts = space.statistics()
            rows.append([self.label(name), f"{facts.mean:.3f}", f"{facts.std:.3f}", f"{facts.low:.2f}",
                         f"{facts.high:.2f}", f"{facts.zeros:.1%}", f"{facts.shrinkage:.3f}"])  # fmt: skip
        head = ["", say("mean", "均值"), say("std", "标准差"), say("lowest", "最小"), say("highest", "最大"),
                say("zeros", "零的比例"), say("shrinkage", "收缩")]  # fmt: skip
        count = len(self.spaces["reference"].codes)
        self.report.table(
            head,
            rows,
            say(
                f"Statistics of {count} codes of training images. Shrinkage: how far Ledoit and Wolf's estimate moves the "
                f"covariance of these codes towards a multiple of the identity.",
                f"{count} 个训练图像编码的统计量。收缩：Ledoit-Wolf 估计把协方差向单位阵倍数收缩的程度。",
            ),
        )

    def _reconstruction(self) -> None:
        say = self.say
        self.report.heading(
            say("Reconstruction, beside linear codes of the same size", "重建，与同样大小的线性编码比较")
        )
        splits = {say("train", "训练"): self.train_images, say("held out", "留出"): self.images}
        held_out: dict[str, Measures] = {}
        cells = []
        for name in self.plans:
            found = [
                fidelity(images, self.spaces[name].decode(self.spaces[name].encode(images)))
                for images in splits.values()
            ]
            held_out[name] = found[1]
            cells.append([self.label(name), *_cells(found)])
            for split, measures in zip(("training", "held-out"), found, strict=True):
                self._psnr_rows(self.plans[name].en, self.plans[name].zh, split, measures)
        for shape in (self.system("reference").code_shape, self.system("code-16").code_shape):
            for name, restore in baselines(self.data, shape).items():
                if name in held_out:  # the mean image, for codes of any shape
                    continue
                found = [fidelity(images, restore(images)) for images in splits.values()]
                held_out[name] = found[1]
                cells.append([say(name, _chinese(name)), *_cells(found)])
                for split, measures in zip(("training", "held-out"), found, strict=True):
                    self._psnr_rows(name, _chinese(name), split, measures)
        head = ["", *(f"{measure}, {split}" for split in splits for measure in ("psnr", "psnr_pooled", "ssim"))]
        count = len(self.images)
        self.report.table(
            head,
            cells,
            say(
                f"{count} training and {count} held-out images, without noise on the codes. psnr: mean over images of "
                f"10·log10(1/mse of the image); psnr_pooled: of the mean squared error of all pixels. PCA-1024 and patch "
                f"PCA of 8×8 blocks store as many numbers per image as the 16×8×8 code, patch PCA of 4×4 blocks as many as the "
                f"16×16×16 code; PCA of the whole image has at most as many directions as there are training images.",
                f"训练与留出图像各 {count} 张，编码上不加噪声。psnr 为逐图平均，psnr_pooled 由总均方误差算得。PCA-1024 与 8×8 分块 PCA"
                f"和 16×8×8 编码大小相同，4×4 分块 PCA 和 16×16×16 编码相同；整图 PCA 的方向数不会超过训练图像数。",
            ),
        )
        linear_codes = dict(list(baselines(self.data, self.system("reference").code_shape).items())[:2])
        self.linear = {linear: held_out[linear]["psnr"] for linear in linear_codes}
        clean = say("clean codes", "编码无噪声")
        for name in ("reference", "noise-0.05", "better"):
            self._verdict(name, held_out[name]["psnr"], clean)
        shown = self.images[:SHOWN]
        rows = {say.figure("image", "原图"): shown}
        for name in ("reference", "noise-0.05", "better", "code-16"):
            rows[self.figure_label(name)] = self.spaces[name].decode(self.spaces[name].encode(shown))
        for name, restore in linear_codes.items():
            rows[name] = restore(shown)
        self.report.picture(
            "reconstructions",
            labelled_rows(rows),
            say("Held-out images through every code.", "留出图像经过各种编码后的重建。"),
        )

    def _verdict(self, name: str, psnr: float, codes: str) -> None:
        """Says whether the run `name` wins against the linear codes of the same size."""
        say = self.say
        gains = {linear: psnr - theirs for linear, theirs in self.linear.items()}
        en = " and ".join(
            f"{'beats' if gain > 0 else 'loses to'} {linear} by {abs(gain):.2f} dB" for linear, gain in gains.items()
        )
        zh = "，".join(
            f"{'优于' if gain > 0 else '不如'}{_chinese(linear)}，相差 {abs(gain):.2f} dB"
            for linear, gain in gains.items()
        )
        self.report.say(
            say(
                f"On held-out images {self.label(name)} {en} ({codes}).",
                f"在留出图像上，{self.label(name)}{zh}（{codes}）。",
            ),
            loud=min(gains.values()) <= 0,
        )

    def _noise(self) -> None:
        say = self.say
        self.report.heading(say("Noise on the codes", "编码上的噪声"))
        self.report.say(
            say(
                "These networks scale their codes to power 1 (the mean over a batch; outside training a running mean of it, "
                "so that an image's code does not depend on its neighbours) and add white Gaussian noise, in training and in test. The "
                "reference's text calls the numbers 0.05, 0.1 and 0.15 variances; its code uses them as standard "
                "deviations, and so do we (`--noise-is variance` is the other reading). The table gives the signal-to-"
                "noise ratio that either reading would mean and the one measured.",
                "这些网络把编码缩放到功率 1（整批的平均；训练之外用其滑动平均，使一张图的编码与同批图像无关），再加高斯白噪声，训练和测试时都加。原文称 0.05、0.1、0.15 为方差，其代码却把它们用作标准差，"
                "这里与代码一致（`--noise-is variance` 为另一种读法）。表中给出两种读法对应的信噪比以及实测值。",
            )
        )
        gains: dict[str, float] = {}
        cells, rows = [], {say.figure("image", "原图"): self.images[:SHOWN]}
        for name, level in self.levels.items():
            sent, train = self._sent(name, self.images), self._sent(name, self.train_images)
            cells.append(
                [self.label(name), f"{nominal_snr(level, 'variance'):.2f}", f"{nominal_snr(level, 'std'):.2f}",
                 f"{sent.snr:.2f}", _pair(self.images, sent.clean), _pair(self.images, sent.noisy),
                 _pair(sent.clean, sent.noisy), _pair(self.train_images, train.clean),
                 _pair(train.clean, train.noisy)]
            )  # fmt: skip
            with_noise = psnr(self.images, sent.noisy)["psnr"]
            self._noise_rows(name, level, sent.snr, with_noise, train)
            if level == LEVELS[0]:
                gains[name] = with_noise
            if level == LEVELS[-1]:
                rows[say.figure("clean code", "无噪编码")] = sent.clean[:SHOWN]
                rows[say.figure("noisy code", "含噪编码")] = sent.noisy[:SHOWN]
        head = ["", say("SNR if variance", "信噪比（方差）"), say("SNR if std", "信噪比（标准差）"), say("SNR measured", "实测信噪比"),
                say("image, reconstruction", "图像与重建"), say("image, noisy", "图像与含噪重建"),
                say("reconstruction, noisy", "重建与含噪重建"), say("image, reconstruction (train)", "图像与重建（训练）"),
                say("reconstruction, noisy (train)", "重建与含噪重建（训练）")]  # fmt: skip
        self.report.table(
            head,
            cells,
            say(
                "In dB; psnr as the mean over images, in brackets pooled. Held-out images unless marked. A noisy "
                "reconstruction is decoded from code + noise.",
                "单位 dB；psnr 为逐图平均，括号内为总体。未注明的为留出图像。含噪重建由编码加噪声解码得到。",
            ),
        )
        for name, measured in gains.items():
            self._verdict(name, measured, say(f"codes with noise of σ {LEVELS[0]:g}", f"编码噪声 σ {LEVELS[0]:g}"))
            plan = self.plans[name]
            for linear, theirs in self.linear.items():
                en = f"{plan.en}: gain over {linear}, held out, noise on"
                zh = f"{plan.zh}：相对 {_chinese(linear)} 的增益（留出，含噪声）"
                self.row(en, zh, measured - theirs, "dB")
        self.report.picture(
            "noise",
            labelled_rows(rows),
            say(
                f"Held-out images with the strongest noise, σ {LEVELS[-1]:g}.",
                f"噪声最强时（σ {LEVELS[-1]:g}）的留出图像。",
            ),
        )

    def _sent(self, name: str, images: Tensor) -> Sent:
        """`images` through the run `name`, with and without the noise on its codes."""
        system = self.system(name)
        codes = encode(system, images, self.runtime)
        sent = sent_codes(system, codes)
        clean, noisy = decode(system, codes, self.runtime), decode(system, sent, self.runtime)
        return Sent(clean, noisy, measured_snr(codes, sent))

    def _noise_rows(self, name: str, level: float, snr: float, with_noise: float, train: Sent) -> None:
        plan = self.plans[name]
        self.row(f"{plan.en}: measured SNR of the codes", f"{plan.zh}：编码的实测信噪比", snr, "dB")
        self.row(f"{plan.en}: psnr, held-out image and reconstruction from noisy code",
                 f"{plan.zh}：留出图像与含噪编码重建的 psnr", with_noise, "dB")  # fmt: skip
        if name != "better":
            restored, agreement = psnr(self.train_images, train.clean)["psnr"], psnr(train.clean, train.noisy)["psnr"]
            self.row(f"{plan.en}: psnr, training image and reconstruction", f"{plan.zh}：训练图像与重建的 psnr",
                     restored, "dB", PUBLISHED_PSNR[level], "higher", comparable=False)  # fmt: skip
            self.row(f"{plan.en}: psnr, reconstruction and noisy reconstruction (training)",
                     f"{plan.zh}：重建与含噪重建的 psnr（训练）", agreement, "dB", PUBLISHED_AGREEMENT[level],
                     "higher", comparable=False)  # fmt: skip

    def _published(self) -> None:
        say = self.say
        self.report.heading(say("Published vs. measured", "发表值与实测值"))
        self.report.say(
            say(
                "The published numbers are on another, smoother set of dogs and on its training images. The rows beside them "
                "are therefore those on our training images; they stand there for orientation and are not held against "
                f"them (for the 16×16×16 code {PUBLISHED_BEST:g} dB is given as the best). The rows that judge a network are the held-out ones, beside the linear codes.",
                f"发表值来自另一组更平滑的狗图像，且是训练图像上的数值，因此与之并列的是我们训练图像上的结果，仅供参考，不作评判（16×16×16 编码另给出最好值 {PUBLISHED_BEST:g} dB）。"
                "评判网络应看留出图像，并与线性编码相比。",
            ),
            loud=True,
        )
        self.rows.sort(key=lambda row: row.published is None)
        self.rows_table()

    # What the sections are made of.

    def _psnr_rows(self, en: str, zh: str, split: str, measures: Measures) -> None:
        published = PUBLISHED_CODE_16 if (en, split) == (self.plans["code-16"].en, "training") else None
        where = {"training": "训练", "held-out": "留出"}[split]
        for key, words, chinese in (("psnr", "per image", "逐图"), ("psnr_pooled", "pooled", "总体")):
            self.row(f"{en}: {split} psnr, {words}", f"{zh}：{where} psnr，{chinese}", measures[key], "dB",
                     published if key == "psnr" else None, "higher", comparable=False)  # fmt: skip


def _chinese(baseline: str) -> str:
    """The Chinese name of a baseline of `runs.evaluate`."""
    return (
        baseline.replace("mean image", "平均图像")
        .replace("patch PCA, ", "分块 PCA，")
        .replace(" numbers per ", " 个数 / ")
    )


def _pair(images: Tensor, outputs: Tensor) -> str:
    """Per image, and pooled in brackets."""
    measures = psnr(images, outputs)
    return f"{measures['psnr']:.2f} ({measures['psnr_pooled']:.2f})"


def _cells(found: list[Measures]) -> list[str]:
    return [RECONSTRUCTION[key].format(measures[key]) for measures in found for key in ("psnr", "psnr_pooled", "ssim")]
