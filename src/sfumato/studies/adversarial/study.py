"""The adversarial study: why the game is hard to play, nine ways to play it on digits, and one on faces.

It follows the course chapter: divergences and their gradients, the optimal discriminator, saturation, modes lost and kept;
then GAN, NSGAN (without R1 and with it), LSGAN, WGAN, WGAN-GP, SNGAN, CGAN and DCGAN on digits at the same number of real
images, and a DCGAN on 64×64 pictures. All generators are averaged. `quick` draws 80,000 digits per run. Published numbers
are FIDs, by an Inception network, after long searches for hyperparameters; ours are distances by a digit classifier: the
report names both and compares neither.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.sources import View, open_data
from ...errors import SfumatoError
from ...gans.diagnosis import findings_of
from ...gans.drawing import count_for, draw, judge_of, walk
from ...gans.game import Adversarial
from ...metrics.generation import DigitJudge
from ...ops.objectives import gradients
from ...reports.figures import curve, labelled_rows
from ...reports.language import Language
from ...runs.page import beliefs_curve, looks, losses_curve, opened
from ...seeds import derive
from ..study import Plan
from .theory import TheoryStudy

FULL_IMAGES, QUICK_IMAGES = 2_400_000, 80_000
FULL_PICTURES, QUICK_PICTURES = 150_000, 6_000
SHOWN = 10
SLOPES = 1_000  # points at which the slope of a critic is taken
AVERAGED = 120  # an averaged generator forgets half over a run divided by this
HALF_LIFE = 20_000  # the same for pictures, in images
R1 = 0.1  # its weight for the NSGAN that has it
PUBLISHED_FID = "GAN 9.8, NSGAN 6.8, LSGAN 7.8, WGAN 6.7, WGAN-GP 20.3"
MEASURED = (
    ("fcd", "Fréchet classifier distance of {}", "{} 的 Fréchet 分类器距离", ""),
    ("covered", "kinds of digits that {} draws", "{} 画出的数字类别数", ""),
    ("entropy", "entropy of the digits of {}, as a share of the real", "{} 数字分布的熵与真实之比", ""),
    ("confident", "share of {}'s digits read with confidence", "{} 的数字被确信识别的比例", ""),
)

ON_PICTURES = {
    "frechet": ("Fréchet", "Fréchet 距离"),
    "kernel": ("kernel", "核距离"),
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "density": ("density", "密度"),
    "coverage": ("coverage", "覆盖率"),
}


class AdversarialStudy(TheoryStudy):
    name = "adversarial"

    def __init__(
        self, out: Path, source: tuple[str, ...], full: bool, language: Language, seed: int, device: str, precision: str
    ) -> None:
        data = open_data(source[0], View(channels=1, resolution=28))
        if len(data.classes) < 2 or data.test.labels is None:
            raise SfumatoError(f"data {source[0]!r}: the first data set must have classes, as digits or mnist have")
        self.pictures = open_data(source[1], View(channels=3, resolution=64))
        data = replace(data, left_out=data.left_out + self.pictures.left_out)
        super().__init__(out, data, source, full, language, seed, device, precision)
        self.data_names = f"{data.name} {self.pictures.name}"
        self.plans = {plan.name: plan for plan in self._plans()}

    def title(self) -> str:
        return self.say(
            "Adversarial networks: the game, its failures, and what it draws", "生成对抗网络：博弈、失败与所画"
        )

    def _plans(self) -> list[Plan]:
        images = FULL_IMAGES if self.full else QUICK_IMAGES
        budget = {"images": images, "half_life": images // AVERAGED}
        smooth = {"beta1": 0.5}
        classes = {"classes": len(self.data.classes)}
        light = {"width": 32, "batch_size": 32, "half_life": HALF_LIFE}
        r1 = {**budget, **smooth, "r1": R1}
        digits = (self.source[0], self.data)
        pictures = {"images": FULL_PICTURES if self.full else QUICK_PICTURES}
        return [
            Plan("minimax", "gan:minimax", {**budget, **smooth}, "GAN (minimax)", "GAN（极小极大）", digits),
            Plan("nsgan", "gan:non_saturating", {**budget, **smooth}, "NSGAN", "NSGAN", digits),
            Plan("nsgan-r1", "gan:non_saturating", r1, "NSGAN with R1", "NSGAN + R1", digits),
            Plan("lsgan", "gan:least_squares", {**budget, **smooth}, "LSGAN", "LSGAN", digits),
            Plan("wgan", "wgan:mlp", budget, "WGAN", "WGAN", digits),
            Plan("wgan-gp", "wgan_gp:mlp", budget, "WGAN-GP", "WGAN-GP", digits),
            Plan("sngan", "sngan:mlp", budget, "SNGAN", "SNGAN", digits),
            Plan("cgan", "cgan:three_terms", {**budget, **smooth, **classes}, "CGAN", "CGAN", digits),
            Plan("dcgan-digits", "dcgan:digits", budget, "DCGAN on digits", "DCGAN（数字）", digits),
            Plan(
                "dcgan", "dcgan:photographs", {**pictures, **light}, "DCGAN", "DCGAN", (self.source[1], self.pictures)
            ),
        ]

    def run(self) -> dict[str, Any]:
        """Trains what is not there yet, measures, and writes the report."""
        began = time.monotonic()
        self.train_plans()
        self.judge = judge_of(self.data, self.runtime, count_for(self.data))
        self.notes = {
            "network": self.judge.name,
            "images in each measured set": count_for(self.data),
            "pictures": {"name": self.pictures.name, "fingerprint": self.pictures.fingerprint,
                         "train": len(self.pictures.train), "test": len(self.pictures.test)},
        }  # fmt: skip
        self.opening()
        self._distances()
        self._one_for_two()
        self._optimal()
        self._plane()
        self._saturation()
        self._digits()
        self._conditional()
        self._slopes()
        self._pictures()
        self.left_out()
        self._published()
        return self.finish(began)

    def system(self, name: str) -> Adversarial:
        system = self.runs[name].system
        assert isinstance(system, Adversarial)
        return system

    def digits(self) -> list[str]:
        """The names of the runs on digits, in order."""
        return [name for name, plan in self.plans.items() if plan.on and plan.on[1] is self.data]

    # The sections, in the order of the report.

    def _digits(self) -> None:
        say, names = self.say, self.digits()
        self.report.heading(say("Digits: the same images for each", "数字：各系统使用同样多的图像"))
        images, half_life = (self.plans[names[0]].fields[key] for key in ("images", "half_life"))
        self.report.say(
            say(
                f"{images:,} real images each: systems whose critic is trained five times as often make a fifth of the generator's "
                f"updates. All draw with the average of their generator, half of which is {half_life:,} images old or less. R1 has the weight {R1:g}. Measured with {self.judge.name}, on {count_for(self.data):,} images of each.",
                f"每个系统使用 {images:,} 张真实图像：判别器训练次数为五倍的系统，生成器的更新次数只有五分之一。均使用生成器的滑动平均（半衰期 {half_life:,} 张图像）。R1 的权重为 {R1:g}。度量网络：{self.judge.name}，各 {count_for(self.data):,} 张图像。",
            )
        )
        real = self.data.test.images(range(min(SHOWN, len(self.data.test))))
        rows = {say.figure("real", "真实"): real}
        rows |= {self.figure_label(name): draw(self.system(name), SHOWN, self.runtime) for name in names}
        self.report.picture(
            "digits", labelled_rows(rows), say("Drawn after training, not chosen.", "训练后抽取，未经挑选。")
        )
        series = {
            self.figure_label(name): ([row["images"] for row in self.runs[name].measures()],
                                      [row["fcd"] for row in self.runs[name].measures()])
            for name in names
        }  # fmt: skip
        self.report.picture(
            "fcd", curve(series, say.figure("real images", "真实图像数"), "FCD", logarithmic=True),
            say("The Fréchet classifier distance on the way (2,000 images at most).", "训练过程中的 Fréchet 分类器距离（至多 2,000 张图像）。"),
        )  # fmt: skip
        head = ["", "FCD", say("best on the way, of 2,000", "途中最佳（2,000 张）"), say("kernel", "核距离"), say("score", "分类器得分"),
                say("entropy", "熵"), say("digits", "类别"), say("confident", "确信"), say("seconds", "秒")]  # fmt: skip
        cells = []
        for name in names:
            run = self.runs[name]
            over = run.evaluation["over_the_run"]
            best = f"{over['best']:.3g} ({over['best_at']:,})"
            cells.append(
                [self.label(name), *_cells(run.evaluation["rows"][0], best), f"{run.metrics()[-1]['seconds']:.0f}"]
            )
        for word, row in zip(self._beside(), self.runs[names[0]].evaluation["rows"][1:], strict=True):
            cells.append([word, *_cells(row, "–"), "–"])
        self.report.table(
            head, cells,
            say("FCD and kernel distance: to the test images. Score: up to 10. Entropy: of the digits drawn, as a share of the real one. Confident: read with 0.9 or more.",
                "FCD 与核距离：与测试图像之间。得分：至多 10。熵：所画数字分布的熵与真实之比。确信：识别置信度不低于 0.9。"),
        )  # fmt: skip
        for name in names:
            self._doctor(name)
        best = min((name for name in names if name != "cgan"), key=self._fcd)
        self._film(best, "digits-film")
        self._walk(best, "digits-walk")
        for key, en, zh, unit in MEASURED:
            for name in names:
                plan = self.plans[name]
                self.row(en.format(plan.en), zh.format(plan.zh), self.runs[name].evaluation["rows"][0][key], unit)
        floor, noisy = (self.runs[best].evaluation["rows"][index]["fcd"] for index in (1, 2))
        self.row("FCD of real training images (floor)", "真实训练图像的 FCD（下限）", floor, "")
        self.row("FCD of test images under noise σ 0.3", "加噪声 σ 0.3 的测试图像的 FCD", noisy, "")
        self.row(
            "share of real test images read with confidence",
            "真实测试图像被确信识别的比例",
            self._judged()["confident"],
            "",
        )
        self.row(f"where the best ({self.plans[best].en}) stands between floor (0) and noise (1)",
                 f"最佳系统（{self.plans[best].zh}）在下限（0）与噪声（1）之间的位置", (self._fcd(best) - floor) / (noisy - floor), "")  # fmt: skip

    def _beside(self) -> tuple[str, str, str]:
        """What stands beside drawn images in every evaluation."""
        say = self.say
        return (
            say("real training images", "真实训练图像"),
            say("test images, noise σ 0.3", "测试图像加噪声 σ 0.3"),
            say("mean image", "平均图像"),
        )

    def _doctor(self, name: str) -> None:
        run = self.runs[name]
        for found in findings_of(run.folder, run.evaluation, self.say):
            colon, space = self.say(": ", "："), self.say(" ", "")
            self.report.say(f"{self.label(name)}{colon}{found.finding}{space}{found.change}")

    def _fcd(self, name: str) -> float:
        return self.runs[name].evaluation["rows"][0]["fcd"]

    def _judged(self) -> dict[str, float]:
        return self.judge.measure(self.data.test.images(range(count_for(self.data))), quick=True)

    def _film(self, name: str, figure: str) -> None:
        say, paths = self.say, looks(self.runs[name].folder)
        labels = [say(f"{int(path.stem):,} images", f"{int(path.stem):,} 张图像") for path in paths]
        self.report.film(
            figure, [opened(path) for path in paths], labels,
            say(f"{self.label(name)} on the way, from the same noise each time.", f"{self.label(name)} 的训练过程，每次用同样的噪声。"),
        )  # fmt: skip

    def _walk(self, name: str, figure: str) -> None:
        rows = {" " * row: images for row, images in enumerate(walk(self.system(name), self.runtime))}
        self.report.picture(
            figure, labelled_rows(rows),
            self.say(f"{self.label(name)}: from one drawn image to another, along the great circle between their noise.",
                     f"{self.label(name)}：沿噪声之间的大圆，从一张图像走到另一张。"),
        )  # fmt: skip

    def _conditional(self) -> None:
        say, system = self.say, self.system("cgan")
        self.report.heading(say("Digits on demand", "按要求画数字"))
        sheet = draw(system, SHOWN * len(self.data.classes), self.runtime)
        by_class = {
            name: sheet[index :: len(self.data.classes)] for index, name in enumerate(self.data.classes[:SHOWN])
        }
        self.report.picture(
            "conditional", labelled_rows(by_class), say("CGAN: a row for each label.", "CGAN：每行一个标签。")
        )
        accuracy = self.runs["cgan"].evaluation["rows"][0].get("accuracy")
        if accuracy is not None and isinstance(self.judge, DigitJudge):
            assert self.data.test.labels is not None
            count = count_for(self.data)
            right = self.judge.accuracy(self.data.test.images(range(count)), self.data.test.labels[:count])
            self.row("share of CGAN's digits read as asked for", "CGAN 按要求画出的比例", accuracy, "")
            self.row("share of real test digits read right", "真实测试数字的识别正确率", right, "")

    def _slopes(self) -> None:
        say = self.say
        self.report.heading(say("How steep the critics are", "判别器有多陡"))
        cells = []
        for name in self.digits():
            mean, largest = slopes(
                self.system(name), self.data.test.images(range(min(SLOPES, len(self.data.test)))), self
            )
            plan = self.plans[name]
            cells.append([self.label(name), f"{mean:.3g}", f"{largest:.3g}"])
            self.row(f"largest slope of the critic of {plan.en}", f"{plan.zh} 判别器的最大斜率", largest, "")
        self.report.table(
            ["", say("mean slope", "平均斜率"), say("largest slope", "最大斜率")], cells,
            say(f"Norm of the logit's gradient at {SLOPES:,} points at most, between test images and drawn ones: an estimate from below of the Lipschitz constant. WGAN-GP holds it near 1; spectral normalisation keeps it below 1 where the layers are linear.",
                f"测试图像与所画图像之间至多 {SLOPES:,} 点处 logit 梯度的范数：Lipschitz 常数的下界估计。WGAN-GP 使其接近 1，谱归一化在线性层构成的网络中使其低于 1。"),
        )  # fmt: skip

    def _pictures(self) -> None:
        say, run, pictures = self.say, self.runs["dcgan"], self.pictures
        self.report.heading(say(f"A DCGAN on {pictures.name}", f"DCGAN：{pictures.name}"))
        if pictures.notice:
            self.report.say(say(pictures.notice, pictures.notice_zh or pictures.notice), loud=True)
        rows = run.metrics()
        self.report.picture(
            "dcgan-losses", losses_curve(rows),
            say(f"Losses over {rows[-1]['images']:,} images in {rows[-1]['seconds']:.0f} s.", f"{rows[-1]['images']:,} 张图像上的损失，{rows[-1]['seconds']:.0f} 秒。"),
        )  # fmt: skip
        self.report.picture(
            "dcgan-beliefs", beliefs_curve(rows),
            say("What the discriminator gives real and made images, before and after its update.", "判别器对真实与生成图像的判断，更新前后。"),
        )  # fmt: skip
        self._film("dcgan", "dcgan-film")
        sheet = draw(self.system("dcgan"), 2 * SHOWN, self.runtime)
        real = pictures.test.images(range(min(2 * SHOWN, len(pictures.test))))
        names = (say.figure("real", "真实"), say.figure("drawn", "所画"))
        beside = {f"{name}{' ' * line}": part for name, images in zip(names, (real, sheet), strict=True)
                  for line, part in enumerate(images.split(SHOWN))}  # fmt: skip
        self.report.picture(
            "beside",
            labelled_rows(beside),
            say("Real above, drawn below, not chosen.", "上为真实，下为所画，未经挑选。"),
        )
        self._walk("dcgan", "dcgan-walk")
        evaluation = run.evaluation
        names = (say("drawn", "所画"), *self._beside())
        self.report.table(
            ["", *(say(en, zh) for en, zh in ON_PICTURES.values())],
            [[name, *(f"{row[key]:.3f}" for key in ON_PICTURES)] for name, row in zip(names, evaluation["rows"], strict=True)],
            say(f"{evaluation['images']:,} images of each; network: {evaluation['network']}.", f"各 {evaluation['images']:,} 张图像；网络：{evaluation['network']}。"),
        )  # fmt: skip
        self._doctor("dcgan")
        for index, (en, zh) in enumerate(
            (("DCGAN's pictures", "DCGAN 所画"), ("real training pictures (floor)", "真实训练图像（下限）"))
        ):
            for key in ("frechet", "kernel", "precision", "recall"):
                self.row(f"{key} of {en}", f"{ON_PICTURES[key][1]}，{zh}", evaluation["rows"][index][key], "")

    def _published(self) -> None:
        say = self.say
        self.report.heading(say("Published vs. measured", "发表值与实测值"))
        self.report.say(
            say(
                f"Published on MNIST are FIDs, by an Inception network and after a wide search (Lucic et al. 2018): {PUBLISHED_FID}. "
                "They are in another unit than the Fréchet classifier distances here and cannot be compared with them. Beside "
                "closed forms stands what was computed or learnt here.",
                f"MNIST 上发表的是 FID，用 Inception 网络并经大规模搜索（Lucic 等 2018）：{PUBLISHED_FID}。其单位与此处的 Fréchet 分类器距离不同，不可比较。闭式解旁是此处计算或学到的值。",
            )
        )
        self.rows_table()


def _cells(row: dict[str, float], best: str) -> list[str]:
    return [
        f"{row['fcd']:.3g}", best, f"{row['kernel']:.4f}", f"{row['score']:.2f}", f"{row['entropy']:.1%}", f"{row['covered']:.0f}",
        f"{row['confident']:.1%}",
    ]  # fmt: skip


def slopes(system: Adversarial, real: Tensor, study: AdversarialStudy) -> tuple[float, float]:
    """The mean and the largest norm of the logit's gradient at random points between real and drawn images."""
    made = draw(system, len(real), study.runtime)
    share = torch.rand(len(real), 1, 1, 1, generator=torch.Generator().manual_seed(derive(study.seed, "slopes")))
    between = 2 * torch.lerp(made, real, share) - 1
    labels = torch.arange(len(real), device=study.runtime.device) % max(1, system.config.classes)
    critic = partial(system.critic, labels=labels if system.conditional else None)
    norms = gradients(critic, between.to(study.runtime.device)).detach().norm(2, dim=1)
    return float(norms.mean()), float(norms.max())
