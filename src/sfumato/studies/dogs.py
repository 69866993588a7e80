"""The dogs study: what the code of a photograph is, and whether an autoencoder generates.

It follows the course experiment on 64×64 dogs: a convolutional autoencoder with a 16×8×8 code, one with noise on codes
of power 1 at three strengths, one with a 16×16×16 code; a Gaussian fitted to 256 codes, drawn from, blended with real
codes, perturbed. To that it adds what the text left open: held-out images, linear codes of the same size, the nearest
real code, a measure of generation, and a network of ours for the same code.
`quick` draws a few thousand images per run. Published numbers are on another set of dogs and on its training images:
they stand beside the measured ones and are never held against them.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..autoencoders.autoencoder import Autoencoder
from ..autoencoders.convolutional import ConvolutionalAutoencoder
from ..data.sources import open_data
from ..errors import SfumatoError
from ..metrics.distance import SUBSETS, Features, frechet, kernel, nearest_distance
from ..metrics.reconstruction import Row as Measures
from ..metrics.reconstruction import fidelity, mean_image
from ..ops.noise import measured_snr, nominal_snr
from ..reports.figures import code_pictures, curve, labelled_rows
from ..reports.language import Language
from ..runs.codes import FITTED, NOISE, SHARE, SPAN, STEPS, Codes
from ..runs.evaluate import baselines, decode, encode, sent_codes
from ..runs.open import Run
from ..runs.page import MEASURES
from ..seeds import derive
from .network import layer_rows, multiply_adds
from .study import Plan, Study, whole_epochs

SHOWN = 9
LEVELS = (0.05, 0.1, 0.15)
PUBLISHED_PSNR = {0.05: 25.9, 0.1: 24.3, 0.15: 24.2}  # image and reconstruction, dB
PUBLISHED_AGREEMENT = {0.05: 42.0, 0.1: 37.0, 0.15: 36.0}  # reconstruction and noisy reconstruction, dB
PUBLISHED_CODE_16 = 31.4  # dB, the best run 32.06
FULL_EPOCHS = {"reference": 30, "noise": 30, "code-16": 25, "better": 70}
QUICK_IMAGES = {"reference": 15_000, "noise": 10_000, "code-16": 10_000, "better": 15_000}
MIN_IMAGES = 16  # of each split
EXTREME = 0.05  # share of held-out images that lie closer to a training image than what counts as «usual»


class Dogs(Study):
    name = "dogs"

    def __init__(
        self, out: Path, source: str, full: bool, language: Language, seed: int, device: str, precision: str,
        features: Path | None = None,
    ) -> None:  # fmt: skip
        data = open_data(source, channels=3, resolution=64)
        if min(len(data.train), len(data.test)) < MIN_IMAGES:
            raise SfumatoError(
                f"data {source!r}: the dogs study needs {MIN_IMAGES} training and {MIN_IMAGES} test images at least; "
                f"it has {len(data.train)} and {len(data.test)}"
            )
        self.features = Features(features)
        super().__init__(out, data, source, full, language, seed, device, precision)
        self.features.to(self.runtime.device)
        self.images = data.test.images()
        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(derive(seed, "dogs", "train")))
        self.train_images = data.train.images(order[: len(self.images)])
        self.plans = {plan.name: plan for plan in self._plans()}
        self.runs: dict[str, Run] = {}
        self.distances: dict[str, float] = {}

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
        for plan in self.plans.values():
            self.runs[plan.name] = self.obtain(plan.name, plan.system, **plan.fields)
        self.spaces = {
            name: Codes(run, min(FITTED, len(self.data.train)), self.seed) for name, run in self.runs.items()
        }
        self.opening(
            "这里用的是 scikit-image 和 scikit-learn 自带的七张照片切成的 64×64 小块，不是狗的照片：其数值不能与发表值相比较。"
        )
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
        return self.finish(began, self.runs)

    def system(self, name: str) -> Autoencoder:
        system = self.runs[name].system
        assert isinstance(system, ConvolutionalAutoencoder)
        return system

    def label(self, name: str) -> str:
        return self.say(self.plans[name].en, self.plans[name].zh)

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
                f"many): pixels folded into channels instead of pooling, residual blocks without batch norm, no ReLU "
                f"on the code, and a linear path beside everything.",
                f"基准网络把 64×64×3 = 12,288 个数压缩成 16 张 8×8 的图，共 1,024 个数，再展开：{total:,} 个参数，每张图像 "
                f"{reference / 1e6:.0f} 百万次乘加。我们的网络编码大小相同，{ours:,} 个参数，{better / 1e6:.0f} 百万次乘加"
                f"（{better / reference:.2f} 倍）：用像素折叠代替池化，无批归一化的残差块，编码上没有 ReLU，另有一条线性旁路。",
            )
        )
        head = [say("part", "部分"), say("layer", "层"), say("output shape", "输出形状"), say("parameters", "参数量")]
        self.report.table(head, rows, say("The reference, layer by layer.", "基准网络各层。"))
        self.row("multiply-adds, reference", "乘加次数，基准网络", reference / 1e6, "million/image")
        self.row("multiply-adds, ours", "乘加次数，我们的网络", better / 1e6, "million/image")

    def _training(self) -> None:
        say = self.say
        self.report.heading(say("Training", "训练"))
        series = {}
        for name, run in self.runs.items():
            rows = run.metrics()
            psnr = [-10 * torch.log10(torch.tensor(row["mse"])).item() for row in rows]
            series[self.say.figure(self.plans[name].en, self.plans[name].zh)] = ([row["epoch"] for row in rows], psnr)
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
                "The learning rate falls to 0 along a cosine, so each run ends where its budget lets it; the last tenth of "
                "a run gains this much: ",
                "学习率按余弦降到 0，训练在预算用尽处结束；最后十分之一的训练带来的增益为：",
            )
            + "; ".join(f"{label} {_last_gain(psnr):+.2f} dB" for label, (_, psnr) in series.items())
        )

    def _codes(self) -> None:
        say, space = self.say, self.spaces["reference"]
        self.report.heading(say("Codes", "编码"))
        codes = space.encode(self.images[: self._shown])
        names = (say.figure("image", "原图"), say.figure("code", "编码"), say.figure("histogram", "直方图"),
                 say.figure("reconstruction", "重建"))  # fmt: skip
        self.report.picture(
            "codes",
            code_pictures(self.images[: self._shown], space.maps(codes), space.decode(codes), names),
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
        for shape in {self.system("reference").code_shape: "", self.system("code-16").code_shape: ""}:
            for name, restore in baselines(self.data, shape).items():
                found = [fidelity(images, restore(images)) for images in splits.values()]
                if name not in held_out:
                    held_out[name] = found[1]
                    cells.append([name, *_cells(found)])
                    for split, measures in zip(("training", "held-out"), found, strict=True):
                        self._psnr_rows(name, name.replace("mean image", "平均图像"), split, measures)
        head = ["", *(f"{measure}, {split}" for split in splits for measure in ("psnr", "psnr_pooled", "ssim"))]
        count = len(self.images)
        self.report.table(
            head,
            cells,
            say(
                f"{count} training and {count} held-out images, without noise on the codes. psnr: mean over images of "
                f"10·log10(1/mse of the image); psnr_pooled: of the mean squared error of all pixels. PCA-1024 and patch "
                f"PCA (each 8×8 block to 16 numbers) store as many numbers per image as the 16×8×8 code, PCA-4096 and "
                f"4×4 blocks as many as the 16×16×16 code.",
                f"训练与留出图像各 {count} 张，编码上不加噪声。psnr 为逐图平均，psnr_pooled 由总均方误差算得。PCA-1024 与分块 PCA"
                f"（每个 8×8 块 16 个数）与 16×8×8 编码大小相同，PCA-4096 与 4×4 分块和 16×16×16 编码相同。",
            ),
        )
        self._verdict(held_out)
        rows = {say.figure("image", "原图"): self.images[: self._shown]}
        for name in ("reference", "noise-0.05", "better", "code-16"):
            space = self.spaces[name]
            rows[say.figure(self.plans[name].en, self.plans[name].zh)] = space.decode(
                space.encode(rows[say.figure("image", "原图")])
            )
        for name, restore in list(baselines(self.data, self.system("reference").code_shape).items())[:2]:
            rows[name] = restore(self.images[: self._shown])
        self.report.picture(
            "reconstructions",
            labelled_rows(rows),
            say("Held-out images through every code.", "留出图像经过各种编码后的重建。"),
        )

    def _verdict(self, held_out: dict[str, Measures]) -> None:
        """Who wins against the linear code of the same size, in words."""
        say = self.say
        linear = f"PCA-{self.spaces['reference'].codes.shape[1]}"
        for name in ("reference", "noise-0.05", "better"):
            gain = held_out[name]["psnr"] - held_out[linear]["psnr"]
            self.report.say(
                say(
                    f"On held-out images {self.label(name)} {'beats' if gain > 0 else 'loses to'} {linear} by "
                    f"{abs(gain):.2f} dB (clean codes).",
                    f"在留出图像上，{self.label(name)}{'优于' if gain > 0 else '不如'} {linear}，相差 {abs(gain):.2f} dB（编码无噪声）。",
                ),
                loud=name == "reference" and gain <= 0,
            )

    def _noise(self) -> None:
        say = self.say
        self.report.heading(say("Noise on the codes", "编码上的噪声"))
        self.report.say(
            say(
                "These networks scale their codes to power 1 and add white Gaussian noise, in training and in test. The "
                "reference's text calls the numbers 0.05, 0.1 and 0.15 variances; its code uses them as standard "
                "deviations, and so do we (`--noise-is variance` is the other reading). The table gives the signal-to-"
                "noise ratio that either reading would mean and the one measured.",
                "这些网络把编码缩放到功率 1，再加高斯白噪声，训练和测试时都加。原文称 0.05、0.1、0.15 为方差，其代码却把它们用作标准差，"
                "这里与代码一致（`--noise-is variance` 为另一种读法）。表中给出两种读法对应的信噪比以及实测值。",
            )
        )
        cells, rows = [], {say.figure("image", "原图"): self.images[: self._shown]}
        for name, level in self._levels():
            system = self.system(name)
            codes = encode(system, self.images, self.runtime)
            sent = sent_codes(system, codes)
            clean, noisy = decode(system, codes, self.runtime), decode(system, sent, self.runtime)
            found = [fidelity(self.images, clean), fidelity(self.images, noisy), fidelity(clean, noisy)]
            train_codes = encode(system, self.train_images, self.runtime)
            train_clean = decode(system, train_codes, self.runtime)
            train_noisy = decode(system, sent_codes(system, train_codes), self.runtime)
            train = [fidelity(self.train_images, train_clean), fidelity(train_clean, train_noisy)]
            snr = measured_snr(codes, sent)
            plan = self.plans[name]
            cells.append(
                [self.label(name), f"{nominal_snr(level, 'variance'):.2f}", f"{nominal_snr(level, 'std'):.2f}", f"{snr:.2f}",
                 *(f"{measures['psnr']:.2f} ({measures['psnr_pooled']:.2f})" for measures in (*found, *train))]
            )  # fmt: skip
            self.row(f"{plan.en}: measured SNR of the codes", f"{plan.zh}：编码的实测信噪比", snr, "dB")
            self.row(f"{plan.en}: psnr, held-out image and reconstruction from noisy code",
                     f"{plan.zh}：留出图像与含噪编码重建的 psnr", found[1]["psnr"], "dB")  # fmt: skip
            if name != "better":
                self.row(f"{plan.en}: psnr, training image and reconstruction", f"{plan.zh}：训练图像与重建的 psnr",
                         train[0]["psnr"], "dB", PUBLISHED_PSNR[level], "higher", comparable=False)  # fmt: skip
                self.row(f"{plan.en}: psnr, reconstruction and noisy reconstruction (training)",
                         f"{plan.zh}：重建与含噪重建的 psnr（训练）", train[1]["psnr"], "dB", PUBLISHED_AGREEMENT[level],
                         "higher", comparable=False)  # fmt: skip
            if level == LEVELS[-1]:
                rows[say.figure("clean code", "无噪编码")] = clean[: self._shown]
                rows[say.figure("noisy code", "含噪编码")] = noisy[: self._shown]
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
        self.report.picture(
            "noise",
            labelled_rows(rows),
            say(
                f"Held-out images with the strongest noise, σ {LEVELS[-1]:g}.",
                f"噪声最强时（σ {LEVELS[-1]:g}）的留出图像。",
            ),
        )

    def _gaussian(self) -> None:
        say, space = self.say, self.spaces["reference"]
        self.report.heading(say("A Gaussian over the codes, and what it decodes to", "编码上的高斯分布及其解码"))
        facts, (count, numbers) = space.statistics(), space.codes.shape
        drawn = space.draw(SHOWN)
        names = (
            "",
            say.figure("drawn code", "抽取的编码"),
            say.figure("histogram", "直方图"),
            say.figure("decoded", "解码"),
        )
        self.report.say(
            say(
                f"{count} codes of {numbers:,} numbers cannot give a full covariance: it would be singular, its draws "
                f"confined to the span of those {count} codes. The estimate of Ledoit and Wolf mixes {facts.shrinkage:.1%} of "
                f"a multiple of the identity into it. The codes themselves are no Gaussian: {facts.zeros:.0%} of their "
                f"numbers are exactly 0 behind the ReLU, and no drawn number is.",
                f"{count} 个 {numbers:,} 维编码不足以给出满秩协方差：它是奇异的，抽样只会落在这 {count} 个编码张成的空间里。Ledoit-Wolf "
                f"估计混入 {facts.shrinkage:.1%} 的单位阵倍数。编码本身并非高斯：ReLU 之后 {facts.zeros:.0%} 的数恰为 0，抽取的数则没有。",
            )
        )
        self.report.picture(
            "samples",
            code_pictures(None, space.maps(drawn), space.decode(drawn), names),
            say(
                "Nine codes drawn from the Gaussian, and what the reference decodes them to. An autoencoder was never asked "
                "to make these codes mean anything.",
                "由高斯分布抽取的九个编码及基准网络的解码。自编码器从未被要求让这些编码有意义。",
            ),
        )
        rows = {say.figure("drawn", "抽取"): space.decode(drawn)}
        for by, en, zh in (("row", "same row", "同一行"), ("nearest", "nearest", "最近编码")):
            rows[say.figure(f"{SHARE:g} drawn, {en}", f"{SHARE:g} 抽取，{zh}")] = space.decode(
                space.blends(drawn, SHARE, by)
            )
        rows[say.figure("that real one", "该最近编码")] = space.decode(space.blends(drawn, 0.0, "nearest"))
        self.report.picture(
            "blended",
            labelled_rows(rows),
            say(
                f"Blends: {SHARE:g} of the drawn code and {1 - SHARE:g} of a real one, taken from the same row as the "
                f"reference does, or the nearest to the drawn code (its image in the last row). What looks like a dog in a "
                f"blend is the dog that was put in.",
                f"混合：{SHARE:g} 的抽取编码加 {1 - SHARE:g} 的真实编码；真实编码取同一行（原实验的做法）或离抽取编码最近者（末行为其图像）。"
                f"混合结果中像狗的部分，正是放进去的那只狗。",
            ),
        )
        real = space.codes[: self._shown]
        mixed = space.blends(drawn, SHARE, "row")
        for figure, codes, en, zh in (
            ("perturbed-real", real, "real codes", "真实编码"),
            ("perturbed-blended", mixed, "blended codes (same row)", "混合编码（同一行）"),
        ):
            rows = {say.figure("no noise", "无噪声"): space.decode(codes)}
            for strength in (NOISE, 2 * NOISE, 4 * NOISE, 8 * NOISE):
                rows[say.figure(f"noise {strength:g}", f"噪声 {strength:g}")] = space.decode(
                    space.perturb(codes, strength)
                )
            self.report.picture(
                figure,
                labelled_rows(rows),
                say(
                    f"Noise on {en}, in units of the root of the codes' power.",
                    f"对{zh}加噪声，以编码功率的平方根为单位。",
                ),
            )

    def _space(self) -> None:
        """Walks between images and along principal directions, in the network that reconstructs best."""
        say, space = self.say, self.spaces["better"]
        self.report.heading(say("Walking through the space", "在编码空间中行走"))
        codes = space.codes
        ways = torch.stack([codes[:4], codes[4:8]], dim=1)
        shares = torch.linspace(0, 1, STEPS)[:, None]
        rows = {
            say.figure(f"pair {index}", f"第 {index} 对"): space.decode(torch.lerp(first, last, shares))
            for index, (first, last) in enumerate(ways, 1)
        }
        self.report.picture(
            "interpolated",
            labelled_rows(rows),
            say(
                "Straight lines between the codes of two training images (ours, σ 0.05). The middle shows both at once: a "
                "code that keeps places fades from one image into the other, it does not turn one dog into another.",
                "两张训练图像编码之间的直线（我们的网络，σ 0.05）。中间同时看到两者：保留位置的编码只是淡入淡出，并没有把一只狗变成另一只。",
            ),
        )
        heads = [f"{offset:+.1f}σ" for offset in torch.linspace(-SPAN, SPAN, STEPS).tolist()]
        rows = {
            say.figure(f"direction {index}", f"方向 {index}"): space.decode(way)
            for index, way in enumerate(space.directions(6), 1)
        }
        self.report.picture(
            "directions",
            labelled_rows(rows, heads),
            say(
                f"The mean code moved along the first principal directions of {len(codes)} codes (ours, σ 0.05).",
                f"平均编码沿 {len(codes)} 个编码的前几个主方向移动（我们的网络，σ 0.05）。",
            ),
        )

    def _noisy_spaces(self) -> None:
        say = self.say
        self.report.heading(say("Drawing from the spaces trained with noise", "从加噪训练的空间抽样"))
        rows = {}
        for name, _ in (("reference", 0.0), *self._levels()):
            space = self.spaces[name]
            rows[say.figure(self.plans[name].en, self.plans[name].zh)] = space.decode(space.draw(SHOWN))
        self.report.picture(
            "noisy-samples",
            labelled_rows(rows),
            say(
                "Codes drawn from a Gaussian over 256 codes of each space, decoded. Noise in training keeps near codes "
                "near; it does not fill the space between codes.",
                "由各空间 256 个编码上的高斯分布抽取并解码。训练时的噪声使相近的编码保持相近，却填不满编码之间的空间。",
            ),
        )

    def _generation(self) -> None:
        say = self.say
        self.report.heading(say("Does it generate?", "它能生成吗？"))
        count = len(self.images)
        sets = self._sets(count)
        known = self.data.train.images()
        real = self.features.of(self.images)
        scale = real.square().mean().rsqrt()
        _, usual = nearest_distance(self.images, known)
        limit = float(usual.quantile(EXTREME))
        cells = []
        copies: dict[str, tuple[Tensor, Tensor]] = {}
        for en, (zh, images) in sets.items():
            features = scale * self.features.of(images)
            (mean, spread), distance = kernel(scale * real, features, self.seed), frechet(scale * real, features)
            rows, nearest = nearest_distance(images, known)
            if en == "real training images (floor)":  # each is its own nearest image
                copied, closest = "–", "–"
            else:
                copied, closest = f"{float((nearest < limit).float().mean()):.1%}", f"{float(nearest.median()):.4f}"
            copies[en] = (rows, nearest)
            self.distances[en] = mean
            cells.append([say(en, zh), f"{distance:.4g}", f"{mean:.4g} ± {spread:.2g}", closest, copied])
            self.row(f"Fréchet distance to held-out images, {en}", f"与留出图像的 Fréchet 距离，{zh}", distance, "")
            self.row(f"kernel distance to held-out images, {en}", f"与留出图像的核距离，{zh}", mean, "")
        cells.insert(
            0,
            [
                say("held-out images themselves", "留出图像本身"),
                "–",
                "–",
                f"{float(usual.median()):.4f}",
                f"{EXTREME:.1%}",
            ],
        )
        head = ["", say("Fréchet", "Fréchet 距离"), say("kernel (MMD²)", "核距离（MMD²）"),
                say("nearest training image", "最近训练图像"), say("closer than usual", "异常接近")]  # fmt: skip
        self.report.table(
            head,
            cells,
            say(
                f"Distance of each set of {count} images to {count} held-out images, in the features of {self.features.name}, scaled so "
                f"that those of the held-out images have mean square 1; kernel: mean ± standard deviation over {SUBSETS} subsets. Neither is the FID or KID of papers. Nearest: median "
                f"over images of the root mean squared pixel difference to the closest training image; closer than usual: "
                f"nearer than {1 - EXTREME:.0%} of held-out images are ({limit:.4f}).",
                f"每组 {count} 张图像与 {count} 张留出图像的距离，特征网络为 {self.features.name}（缩放到留出图像特征的均方为 1）；核距离为 {SUBSETS} 个子集上的均值 ± 标准差。"
                f"两者都不是论文中的 FID 或 KID。最近：与最近训练图像的均方根像素差的中位数；异常接近：比 {1 - EXTREME:.0%} 的留出图像更接近"
                f"（{limit:.4f}）。",
            ),
        )
        self._generation_verdict()
        en = "drawn, reference"
        rows = {
            say.figure("drawn", "抽取"): sets[en][1][: self._shown],
            say.figure("nearest training", "最近训练图像"): known[copies[en][0][: self._shown]],
        }
        mixed = "blended with nearest, reference"
        rows[say.figure("blended", "混合")] = sets[mixed][1][: self._shown]
        rows[say.figure("its nearest training", "其最近训练图像")] = known[copies[mixed][0][: self._shown]]
        self.report.picture(
            "nearest",
            labelled_rows(rows),
            say(
                "Drawn images and blends above the training images nearest to them, by pixels.",
                "抽取与混合的图像，下面是按像素最近的训练图像。",
            ),
        )

    def _sets(self, count: int) -> dict[str, tuple[str, Tensor]]:
        """`count` images of every kind that is held against held-out images, by English name with the Chinese one."""
        space = self.spaces["reference"]
        wide = Codes(self.runs["reference"], min(count, len(self.data.train)), self.seed)
        drawn = space.draw(count)
        sets = {
            "real training images (floor)": ("真实训练图像（下限）", self.train_images),
            "reconstructions, reference": ("重建，基准网络", space.decode(space.encode(self.images))),
            "reconstructions, ours": ("重建，我们的网络", self.spaces["better"].decode(self.spaces["better"].encode(self.images))),
            "drawn, reference": ("抽取，基准网络", space.decode(drawn)),
            "blended with same row, reference": ("与同一行混合，基准网络", space.decode(wide.blends(drawn, SHARE, "row"))),
            "blended with nearest, reference": ("与最近编码混合，基准网络", space.decode(wide.blends(drawn, SHARE, "nearest"))),
        }  # fmt: skip
        for name, _ in self._levels():
            noisy = self.spaces[name]
            sets[f"drawn, {self.plans[name].en}"] = (f"抽取，{self.plans[name].zh}", noisy.decode(noisy.draw(count)))
        sets["mean image"] = ("平均图像", mean_image(self.data.train, self.images))
        return sets

    def _generation_verdict(self) -> None:
        say, found = self.say, self.distances
        floor, mean = found["real training images (floor)"], found["mean image"]
        drawn = {name: value for name, value in found.items() if name.startswith("drawn")}
        best = min(drawn, key=lambda name: drawn[name])
        restored = found["reconstructions, reference"]
        times = f"{drawn[best] / restored:.1f}" if restored > 0 else "∞"
        worse = drawn[best] > restored
        self.report.say(
            say(
                f"The best of the drawn sets ({best}) has a kernel distance of {drawn[best]:.4g}: between real photographs it "
                f"is {floor:.4g}, for reconstructions by the reference {restored:.4g}, for one grey mean image {mean:.4g}. "
                + (f"So drawing codes gives images {times} times as far from photographs as reconstructing does: this "
                   f"does not generate dogs. It makes patterns with the colours and edges of photographs."
                   if worse else "By this measure drawn images are no farther from photographs than reconstructions are."),
                f"抽取组中最好的（{best}）核距离为 {drawn[best]:.4g}；真实照片之间为 {floor:.4g}，基准网络的重建为 {restored:.4g}，"
                f"单一平均图像为 {mean:.4g}。"
                + (f"可见抽取的图像与照片的距离是重建的 {times} 倍：这不是在生成狗，而是带有照片色彩和边缘的图案。"
                   if worse else "按此度量，抽取的图像与照片的距离不比重建更远。"),
            ),
            loud=True,
        )  # fmt: skip

    def _published(self) -> None:
        say = self.say
        self.report.heading(say("Published vs. measured", "发表值与实测值"))
        self.report.say(
            say(
                "The published numbers are on another, smoother set of dogs and on its training images. The rows beside them "
                "are therefore those on our training images; they stand there for orientation and are not held against "
                "them. The rows that judge a network are the held-out ones, beside the linear codes.",
                "发表值来自另一组更平滑的狗图像，且是训练图像上的数值，因此与之并列的是我们训练图像上的结果，仅供参考，不作评判。"
                "评判网络应看留出图像，并与线性编码相比。",
            ),
            loud=True,
        )
        self.rows.sort(key=lambda row: row.published is None)
        self.rows_table()

    # What the sections are made of.

    @property
    def _shown(self) -> int:
        return min(SHOWN, len(self.images))

    def _levels(self) -> list[tuple[str, float]]:
        """The runs with noise and the strength of it."""
        return [*((f"noise-{level:.2f}", level) for level in LEVELS), ("better", 0.05)]

    def _psnr_rows(self, en: str, zh: str, split: str, measures: Measures) -> None:
        published = PUBLISHED_CODE_16 if (en, split) == (self.plans["code-16"].en, "training") else None
        where = {"training": "训练", "held-out": "留出"}[split]
        for key, words, chinese in (("psnr", "per image", "逐图"), ("psnr_pooled", "pooled", "总体")):
            self.row(f"{en}: {split} psnr, {words}", f"{zh}：{where} psnr，{chinese}", measures[key], "dB",
                     published if key == "psnr" else None, "higher", comparable=False)  # fmt: skip


def _cells(found: list[Measures]) -> list[str]:
    return [MEASURES[key].format(measures[key]) for measures in found for key in ("psnr", "psnr_pooled", "ssim")]


def _last_gain(psnr: list[float]) -> float:
    """What the last tenth of a run added, in dB."""
    tenth = max(1, len(psnr) // 10)
    return psnr[-1] - psnr[-1 - tenth] if len(psnr) > tenth else 0.0
