"""The restyle study: an AdaIN network trained from two sets of pictures, used in every way, and held against Gatys.

It follows the course experiment (train AdaIN, watch it learn, restyle your own photographs, set the strength) and the
comparison of Huang and Belongie 2017, section 7.1: how many steps of optimisation is one pass through the network worth?
`quick` trains for some three hundred steps; pictures that show what a trained network does are then made by the one that
comes with the package, and every caption says which it was. Published seconds are of a graphics card and of another
network: they stand beside the measured ones and are never held against them.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.dataset import ImageData
from ...data.folder import FolderFiles, PictureReader, ZipFiles
from ...data.photographs import photographs
from ...data.pictures import to_bytes
from ...data.sources import SOURCES, View, open_data
from ...errors import SfumatoError
from ...nets.encoders import Encoder, EncoderName, build_encoder
from ...reports.figures import curve, labelled_rows
from ...reports.language import Language
from ...runs.evaluate import test_pairs
from ...style.adain import STYLE
from ...style.gatys import Canvas, Objective, Recipe, paint, recipe_for
from ...style.network import Restyler, StyleSystem, shipped
from ...style.restyle import blended
from ...style.tiles import TiledRestyler
from ...style.video import Shown, follow
from ...weights.known import is_here
from ..study import Plan, Study

SIDE = 256
TILE = 1024
SNAPSHOTS = (10, 50, 80, 100)  # per cent of the training
STRENGTHS = (0.0, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0)
CORNERS = 5  # pictures along a side of the square of blends
FULL_IMAGES, QUICK_IMAGES = 80_000, 2_400  # 10,000 steps and 300
PAINTED = {True: (300, 450, 500), False: (160, 240, 100)}  # height, width, steps of the textbook's optimisation
SHOWN_EVERY = {True: 50, False: 20}
MARKS = {True: (10, 25, 50, 75, 100, 150, 200, 300, 500), False: (10, 25, 50)}  # steps at which Gatys is measured
PAIRS = {True: 10, False: 2}  # contents, and as many styles
AT_ONCE = 10  # pairs that are optimised side by side
RATE = 0.03
SAME_LOSSES = Recipe(content_layers=("relu4_1",), style_layers=STYLE, layer_weights=(1.0,) * 4, content="relative",
                     style="moments", learning_rate=RATE)  # fmt: skip
PUBLISHED_STEPS = 50  # at which optimisation reaches AdaIN's style loss: "between 50 and 100"
PUBLISHED_FPS = {256: 56.0, 512: 15.0}  # on a Titan X, the style encoded before
FRAMES = {True: 24, False: 6}
COURSE_CONTENT, COURSE_STYLE = "cornell.jpg", "woman_with_hat_matisse.jpg"


class Restyle(Study):
    name = "restyle"

    def __init__(
        self, out: Path, source: tuple[str, ...], full: bool, language: Language, seed: int, device: str,
        precision: str,
    ) -> None:  # fmt: skip
        data = open_data(source, View(channels=3, resolution=SIDE, fit="short"))
        assert data.second is not None
        for split, kind in ((data.test, "content"), (data.second.test, "style")):
            if len(split) < 2:
                raise SfumatoError(f"data {' '.join(source)}: needs two {kind} test images at least")
        super().__init__(out, data, source, full, language, seed, device, precision)
        self.styles: ImageData = data.second
        self.data_names = f"{data.name.removesuffix(f' and {self.styles.name}')} {self.styles.name}"
        images = FULL_IMAGES if full else QUICK_IMAGES
        self.plans = {"adain": Plan("adain", "adain:sfumato", {"images": images}, "AdaIN", "AdaIN")}

    def title(self) -> str:
        return self.say("Restyle: the look of one picture on another", "风格迁移：用一张图的风格画另一张")

    def run(self) -> dict[str, Any]:
        """Trains what is not there yet, restyles, measures, and writes the report."""
        began = time.monotonic()
        self.train_plans()
        self.shipped = TiledRestyler(shipped(), self.runtime, TILE)
        self.own = TiledRestyler(self.restyler(100), self.runtime, TILE)
        self.best, self.maker = (
            (self.own, self.say("the network trained here", "本次训练的网络")) if self.full
            else (self.shipped, self.say("the network that comes with the package", "随包附带的网络"))
        )  # fmt: skip
        count = PAIRS[self.full]
        self.contents = self.data.test.images(range(min(count, len(self.data.test))))
        self.style_images = self.styles.test.images(_spread(len(self.styles.test), 4))
        self.opening()
        self.report.say(
            self.say(
                f"Styles: {self.styles.name}, {len(self.styles.train):,} to train on and {len(self.styles.test):,} held out.",
                f"风格：{self.styles.name}，训练 {len(self.styles.train):,} 张，留出 {len(self.styles.test):,} 张。",
            )
        )
        self._training()
        self._snapshots()
        self._photographs()
        self._strengths()
        self._corners()
        self._optimisation()
        self._against_optimisation()
        self._frames()
        self.left_out()
        self.report.heading(self.say("Published vs. measured", "发表值与实测值"))
        self.rows_table()
        return self.finish(began)

    def restyler(self, percent: int) -> Restyler:
        system = self.runs["adain"].snapshot(percent)
        assert isinstance(system, StyleSystem)
        return system.restyler

    # The sections, in the order of the report.

    def _training(self) -> None:
        say, rows = self.say, self.runs["adain"].metrics()
        self.report.heading(say("Training", "训练"))
        steps = [row["images"] / self.runs["adain"].config["config"]["batch_size"] for row in rows]
        names = {"loss": say.figure("total", "总损失"), "content": say.figure("content", "内容损失"),
                 "style": say.figure("style", "风格损失")}  # fmt: skip
        series = {label: (steps, [row[key] for row in rows]) for key, label in names.items()}
        self.report.picture(
            "curves",
            curve(series, say.figure("steps", "步数"), say.figure("loss", "损失")),
            say(
                f"Means per interval over {steps[-1]:,.0f} steps of {self.runs['adain'].config['config']['batch_size']} "
                f"pairs, {rows[-1]['seconds']:.0f} s. Losses are relative squared errors in the frozen encoder: 0 is equal, "
                f"1 as good as nothing; the style's is a sum over four layers.",
                f"共 {steps[-1]:,.0f} 步，每步 {self.runs['adain'].config['config']['batch_size']} 对，{rows[-1]['seconds']:.0f} 秒。"
                f"损失为固定编码器特征的相对平方误差：0 为相同，1 等于什么也没有；风格损失是四层之和。",
            ),
        )
        for row in self.runs["adain"].evaluation["rows"]:
            self.row(
                f"content loss, held-out pairs, {row['name']}",
                f"内容损失，留出图像对，{row['name']}",
                row["content"],
                "",
            )
            self.row(
                f"style loss, held-out pairs, {row['name']}", f"风格损失，留出图像对，{row['name']}", row["style"], ""
            )

    def _snapshots(self) -> None:
        say = self.say
        self.report.heading(say("How it learns", "学习过程"))
        content, style = self._course_pair()
        pictures = [
            self._restyled(TiledRestyler(self.restyler(percent), self.runtime, TILE), content, style)
            for percent in SNAPSHOTS
        ]
        headings = [
            say.figure("content", "内容"),
            say.figure("style", "风格"),
            *(f"{percent} %" for percent in SNAPSHOTS),
        ]
        self.report.picture(
            "snapshots",
            labelled_rows({"": torch.stack([content, style, *pictures])}, headings),
            say(
                "The same pair after 10, 50, 80 and 100 % of the training.",
                "同一对图像，训练 10%、50%、80%、100% 之后。",
            ),
        )

    def _photographs(self) -> None:
        say = self.say
        self.report.heading(say("Two photographs, one style", "两张照片，同一风格"))
        style = self.style_images[0]
        rows = {say.figure("photograph", "照片"): [], say.figure("trained here", "本次训练"): [],
                say.figure("shipped", "随包附带"): []}  # fmt: skip
        for content in self.contents[:2]:
            for line, picture in zip(
                rows.values(),
                (content, self._restyled(self.own, content, style), self._restyled(self.shipped, content, style)),
                strict=True,
            ):
                line.append(picture)
        rows[say.figure("style", "风格")] = [style]
        self.report.picture(
            "photographs",
            labelled_rows({name: torch.stack(line) for name, line in rows.items()}),
            say(
                "By the network trained here, and by the one that comes with the package.",
                "本次训练的网络与随包附带的网络。",
            ),
        )

    def _strengths(self) -> None:
        say = self.say
        self.report.heading(say("Strength", "风格强度"))
        content, style = self.contents[0], self.style_images[1]
        pictures = [self._restyled(self.best, content, style, strength) for strength in STRENGTHS]
        self.report.picture(
            "strengths",
            labelled_rows({"α": torch.stack(pictures)}, [f"{strength:g}" for strength in STRENGTHS]),
            say(f"α from 0 to 1, by {self.maker}.", f"α 从 0 到 1，{self.maker}。"),
        )

    def _corners(self) -> None:
        say = self.say
        self.report.heading(say("Four styles at the corners of a square", "正方形四角的四种风格"))
        known = [self.best.style(_bytes(style)) for style in self.style_images]
        content, rows = self.contents[-1], {}
        for down in range(CORNERS):
            line = []
            for across in range(CORNERS):
                x, y = across / (CORNERS - 1), down / (CORNERS - 1)
                shares = ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y)
                line.append(self.best.restyle(_bytes(content), [blended(known, shares)])[0] / 255)
            rows[" " * down] = torch.stack(line)
        self.report.picture(
            "corners",
            labelled_rows(rows),
            say(f"Statistics blended bilinearly, by {self.maker}.", f"统计量双线性混合，{self.maker}。"),
        )

    def _optimisation(self) -> None:
        say = self.say
        height, width, steps = PAINTED[self.full]
        encoder, name = self._painter()
        self.report.heading(say("By optimisation", "优化方法"))
        pictures = photographs()
        content = _resized(pictures["china"].float() / 255, (height, width))
        style = _resized(self.style_images[0], (height, height))
        recipe = recipe_for("d2l", encoder, steps=steps)
        losses: dict[str, list[float]] = {"content": [], "style": [], "variation": []}
        shown, seen = [], []
        began = time.monotonic()
        for tick in paint(content[None], [style[None]], encoder, recipe, self.runtime, seed=self.seed):
            for key, values in losses.items():
                values.append(float(tick.scalars[key]))
            if tick.images % SHOWN_EVERY[self.full] == 0:
                shown.append(tick.canvas.image[0].cpu())
                seen.append(f"{tick.images}")
        spent = time.monotonic() - began
        weights = (recipe.content_weight, recipe.style_weight, recipe.smoothness)
        names = (say.figure("content", "内容"), say.figure("style", "风格"), say.figure("total variation", "全变分"))
        series = {
            label: (range(1, steps + 1), [weight * value for value in values])
            for label, weight, values in zip(names, weights, losses.values(), strict=True)
        }
        about = say(
            f"The textbook's recipe `d2l` on {name}, {steps} steps at {height}×{width} in {spent:.0f} s",
            f"教科书配方 `d2l`，网络为{name}，{height}×{width}，{steps} 步，{spent:.0f} 秒",
        )
        self.report.picture(
            "optimisation-curves",
            curve(series, say.figure("steps", "步数"), say.figure("weighted loss", "加权损失")),
            say(f"{about}: its three terms.", f"{about}：三项损失。"),
        )
        self.report.picture(
            "optimisation", labelled_rows({"": torch.stack(shown)}, seen),
            say(f"{about}: the picture as it changes.", f"{about}：图像的变化。"),
        )  # fmt: skip
        self.row(f"seconds per step of d2l at {height}×{width}", f"d2l 每步秒数，{height}×{width}", spent / steps, "s")

    def _against_optimisation(self) -> None:
        say, count, marks = self.say, PAIRS[self.full], MARKS[self.full]
        self.report.heading(say("One pass against many steps", "一次前向与多步优化"))
        contents, styles = test_pairs(self.data, count)
        encoder = self.own.restyler.encoder
        measured: dict[int, list[tuple[float, float]]] = {step: [] for step in marks}
        passed: list[tuple[float, float]] = []
        of_steps = of_passes = 0.0
        for content, style in zip(contents.split(AT_ONCE), styles.split(AT_ONCE), strict=True):
            content, style = (images.to(self.runtime.device) for images in (content, style))
            with self.runtime.autocast():
                objective = Objective(encoder, SAME_LOSSES, content, [style], [1.0])
            began = time.monotonic()
            output = torch.cat([
                self.own.restyle(_bytes(one), [self.own.style(_bytes(other))]) for one, other in zip(content, style, strict=True)
            ]).to(self.runtime.device) / 255  # fmt: skip
            of_passes += time.monotonic() - began
            passed += [_losses(objective, output)] * len(content)
            canvas = Canvas(content, SAME_LOSSES)
            began, measuring = time.monotonic(), 0.0
            for step in range(1, marks[-1] + 1):
                canvas.step(objective, self.runtime)
                if step in measured:
                    self.runtime.wait()
                    now = time.monotonic()
                    measured[step] += [_losses(objective, canvas.image)] * len(content)
                    measuring += time.monotonic() - now
            of_steps += time.monotonic() - began - measuring
        content_loss, style_loss = (sum(pair[index] for pair in passed) / len(passed) for index in (0, 1))
        by_step = {
            step: [sum(pair[i] for pair in pairs) / len(pairs) for i in (0, 1)] for step, pairs in measured.items()
        }
        self._comparison_figure(by_step, content_loss, style_loss, len(contents))
        reached = next((step for step, (_, style) in by_step.items() if style <= style_loss), None)
        self.row("content loss of AdaIN, held out", "AdaIN 的内容损失（留出）", content_loss, "")
        self.row("style loss of AdaIN, held out", "AdaIN 的风格损失（留出）", style_loss, "")
        for step, (content_after, style_after) in by_step.items():
            self.row(f"content loss after {step} steps", f"{step} 步后的内容损失", content_after, "")
            self.row(f"style loss after {step} steps", f"{step} 步后的风格损失", style_after, "")
        self.row(
            "seconds per picture, AdaIN, style included",
            "每张秒数，AdaIN（含风格编码）",
            of_passes / len(contents),
            "s",
        )
        self.row(f"seconds per picture, {marks[-1]} steps", f"每张秒数，{marks[-1]} 步", of_steps / len(contents), "s")
        if reached is not None:
            self.row(
                "steps after which optimisation has AdaIN's style loss", "优化达到 AdaIN 风格损失所需步数", reached, "steps",
                PUBLISHED_STEPS, "higher", comparable=False,
            )  # fmt: skip
        else:
            self.report.say(
                say(
                    f"Optimisation did not reach AdaIN's style loss within {marks[-1]} steps.",
                    f"{marks[-1]} 步内优化没有达到 AdaIN 的风格损失。",
                )
            )
        self._speed()

    def _comparison_figure(
        self, by_step: dict[int, list[float]], content_loss: float, style_loss: float, pairs: int
    ) -> None:
        say, steps = self.say, list(by_step)
        series = {}
        for index, (en, zh, loss) in enumerate((("content", "内容", content_loss), ("style", "风格", style_loss))):
            series[say.figure(f"optimisation, {en}", f"优化，{zh}")] = (steps, [by_step[step][index] for step in steps])
            series[say.figure(f"AdaIN, {en}", f"AdaIN，{zh}")] = ((steps[0], steps[-1]), (loss, loss))
        self.report.picture(
            "comparison",
            curve(series, say.figure("steps", "步数"), say.figure("loss", "损失")),
            say(
                f"Mean over {pairs} held-out pairs at {SIDE}²: the network trained here in one pass, and Adam (rate {RATE}) from "
                f"the content under the same losses. The paper finds AdaIN's style loss near that of 50 to 100 steps.",
                f"{pairs} 对留出图像（{SIDE}²）的平均：本次训练的网络一次前向，以及相同损失下从内容图出发的 Adam（学习率 {RATE}）。"
                f"论文中 AdaIN 的风格损失接近 50 到 100 步优化。",
            ),
        )

    def _speed(self) -> None:
        for side, published in PUBLISHED_FPS.items():
            picture = _bytes(_resized(self.contents[0], (side, side)))
            style = self.best.style(_bytes(self.style_images[0]))
            self.best.restyle(picture, [style])
            began = time.monotonic()
            self.best.restyle(picture, [style])
            self.row(
                f"pictures of {side}² per second, style encoded before", f"每秒 {side}² 图像数（风格已编码）",
                1 / (time.monotonic() - began), "1/s", published, "higher", comparable=False,
            )  # fmt: skip

    def _frames(self) -> None:
        say, count = self.say, FRAMES[self.full]
        self.report.heading(say("Frames", "视频帧"))
        picture = photographs()["rocket"].float() / 255
        style = self.best.style(_bytes(self.style_images[2]))
        filmed = [picture[:, 60 : 60 + SIDE, 4 * index : 4 * index + int(1.5 * SIDE)] for index in range(count)]
        before: Shown | None = None
        shown, errors = [], []
        for frame in filmed:
            alone = self.best.restyle(_bytes(frame), [style])[0] / 255
            before, error = follow(frame, alone, before, 0.6)
            shown.append(before.output)
            if error.shown is not None and error.alone is not None:
                errors.append((error.shown, error.alone))
        coherent, alone_error = (sum(pair[index] for pair in errors) / max(1, len(errors)) for index in (0, 1))
        chosen = _spread(count, 4)
        rows = {
            say.figure("filmed", "原帧"): torch.stack([filmed[index] for index in chosen]),
            say.figure("restyled", "风格化"): torch.stack([shown[index] for index in chosen]),
        }
        self.report.picture(
            "frames",
            labelled_rows(rows),
            say(
                f"A window that moves over a bundled photograph, {count} frames, by {self.maker}; 0.6 of the frame before, "
                f"warped, is mixed in where the optical flow can be trusted. Warp error {coherent:.5f}, each frame for itself "
                f"{alone_error:.5f}.",
                f"在自带照片上移动的窗口，{count} 帧，{self.maker}；在光流可信处混入 0.6 的前一帧（变形后）。变形误差 {coherent:.5f}，逐帧独立为 "
                f"{alone_error:.5f}。",
            ),
        )
        self.row("warp error, coherent", "变形误差，连贯", coherent, "")
        self.row("warp error, each frame for itself", "变形误差，逐帧独立", alone_error, "")

    # What the sections share.

    def _course_pair(self) -> tuple[Tensor, Tensor]:
        """The course's own pictures where the data has them; else the first test content and a test style."""
        found = [_named(source, name) for source, name in zip(self.source, (COURSE_CONTENT, COURSE_STYLE), strict=True)]
        fallback = (self.contents[0], self.style_images[0])
        content, style = (other if own is None else own for own, other in zip(found, fallback, strict=True))
        return content, style

    def _painter(self) -> tuple[Encoder, str]:
        """VGG-19, as the textbook has it, where its weights are; else our encoder."""
        name: EncoderName = "vgg19" if is_here("vgg19") else "sfumato"
        return build_encoder(name).load(), "VGG-19" if name == "vgg19" else self.say(
            "our own encoder (VGG-19's weights are not here)", "我们的编码器（没有 VGG-19 权重）"
        )

    def _restyled(self, restyler: TiledRestyler, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        return restyler.restyle(_bytes(content), [restyler.style(_bytes(style))], alpha=alpha)[0] / 255


def _losses(objective: Objective, images: Tensor) -> tuple[float, float]:
    with torch.no_grad():
        scalars = objective(images)
    return float(scalars["content"]), float(scalars["style"])


def _named(source: str, name: str) -> Tensor | None:
    """The central square of the picture called `name` in a folder or zip, if there is one."""
    if source in SOURCES:
        return None
    path = Path(source)
    files = ZipFiles(path) if path.is_file() else FolderFiles(path)
    found = next((file for file in files.names() if file.rsplit("/", 1)[-1] == name), None)
    return None if found is None else PictureReader(files, 3, SIDE).read(found).float() / 255


def _spread(length: int, count: int) -> list[int]:
    """`count` numbers from 0 to length - 1, far apart."""
    return torch.linspace(0, length - 1, count).long().tolist()


def _bytes(image: Tensor) -> Tensor:
    """uint8 (1, 3, h, w) on the CPU from (3, h, w) in [0, 1]."""
    return to_bytes(image)[None]


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) in [0, 1], its largest central part of the shape of `size`, in that size."""
    height, width = image.shape[1:]
    scale = min(height / size[0], width / size[1])
    tall, wide = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - tall) // 2, (width - wide) // 2
    part = image[None, :, top : top + tall, left : left + wide]
    return torch.nn.functional.interpolate(part, size=size, mode="bicubic", antialias=True)[0].clamp(0, 1)
