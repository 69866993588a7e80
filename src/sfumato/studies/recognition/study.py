"""The recognition study: take what a network has learnt, and make it name pictures, box objects and colour in pixels.

It follows the course chapters: fine-tuning against training from scratch; anchors, SSD; transposed convolution, FCN, and
beside it U-Net and DeepLab. Three data sets: pictures with names, with boxes, with masks. With `features`, ImageNet
weights of SqueezeNet, the pretrained networks are SqueezeNets, else the encoder that comes with the package. Published
numbers are on other data (hot dogs, bananas, VOC), some of them on training images: they stand beside ours and are never
held against them.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...data.dataset import ImageData
from ...data.sources import Target, View, open_data
from ...errors import SfumatoError
from ...recognition.finetune import FineTuned
from ...recognition.measures import inspect_anchors, mistakes, shown_rows
from ...recognition.segmentation import Segmenter
from ...recognition.ssd import SSD
from ...reports.figures import captioned, confusion_table, curve, labelled_rows
from ...reports.language import Language
from ...runs.catalog import find
from ...runs.page import evaluation_table
from ..study import Plan
from .anchors import ReadingStudy

PRESETS = {True: ("photographs", "cards", "camvid"), False: ("faces", "scenes", "scenes")}
SHOWN = 6
QUICK = {"names": 1_000, "boxes": 6_000, "masks": 1_000}  # training images drawn
PUBLISHED = {"fine-tuned": 0.940, "scratch": 0.850}
TARGETS: tuple[Target, ...] = ("labels", "boxes", "masks")

BASELINES = (("everything ", "全部为 "), ("no object anywhere", "处处无物体"), ("the mean box, ", "平均边框，"))


class RecognitionStudy(ReadingStudy):
    name = "recognition"

    def __init__(
        self, out: Path, source: tuple[str, ...], full: bool, language: Language, seed: int, device: str,
        precision: str, features: Path | None,
    ) -> None:  # fmt: skip
        if features is not None and not features.is_file():
            raise SfumatoError(f"features {features}: there is no such file")
        opened = []
        for system, preset, name, target in zip(
            ("finetune", "ssd", "unet"), PRESETS[full], source, TARGETS, strict=True
        ):
            entry, found = find(f"{system}:{preset}")
            config = entry.presets[found]
            opened.append(open_data(name, View(3, config.resolution, fit=config.fit, target=target)))
        data, self.boxed, self.masked = opened
        if len(data.classes) < 2 or data.test.labels is None:
            raise SfumatoError(f"data {source[0]!r}: the first data set must have classes, as faces has")
        left_out = tuple(item for part in opened for item in part.left_out)
        super().__init__(out, replace(data, left_out=left_out), source, full, language, seed, device, precision)
        self.data_names = " ".join(part.name for part in opened)
        self.weights = "" if features is None else str(features.resolve())
        self.options = " --features FILE" if self.weights else ""
        self.plans = {plan.name: plan for plan in self._plans()}

    def title(self) -> str:
        return self.say("Recognition: names, boxes, pixels", "识别：名称、方框、像素")

    def _plans(self) -> list[Plan]:
        named, boxed, masked = zip(self.source, (self.data, self.boxed, self.masked), strict=True)
        names, boxes, masks = PRESETS[self.full]
        small = {kind: {} if self.full else {"images": count} for kind, count in QUICK.items()}
        net = {"network": "squeezenet1_0" if self.weights else "sfumato"}
        back = {"backbone": "squeezenet1_0" if self.weights else "sfumato", "weights": self.weights}
        new = {"pretrained": False, "frozen": 0.0}
        fewer: dict[str, Any] = {"images": 20_000, "transfer": 0.3} if self.full else {"images": QUICK["boxes"] // 3}
        width = {"width": 64 if self.full else 32}
        return [
            Plan("fine-tuned", f"finetune:{names}", {**net, "weights": self.weights, **small["names"]}, "fine-tuned", "微调", named),
            Plan("scratch", f"finetune:{names}", {**net, **new, **small["names"]}, "from scratch", "从零训练", named),
            Plan("ssd", f"ssd:{boxes}", small["boxes"], "TinySSD", "TinySSD", boxed),
            Plan("ssd-pretrained", f"ssd:{boxes}", {**back, "pretrained": True, **fewer}, "SSD, pretrained", "SSD（预训练）", boxed),
            Plan("fcn-32s", f"fcn:{masks}", {**back, **small["masks"]}, "FCN-32s", "FCN-32s", masked),
            Plan("fcn-8s", f"fcn:{masks}", {**back, "skips": 2, **small["masks"]}, "FCN-8s", "FCN-8s", masked),
            Plan("unet", f"unet:{masks}", {**back, **({} if self.full else {"width": 16}), **small["masks"]}, "U-Net", "U-Net", masked),
            Plan("deeplab", f"deeplab:{masks}", {**back, **width, **small["masks"]}, "DeepLab", "DeepLab", masked),
        ]  # fmt: skip

    def run(self) -> dict[str, Any]:
        """Trains what is not there yet, measures, and writes the report."""
        began = time.monotonic()
        self.train_plans()
        self.notes = {
            kind: {"name": data.name, "fingerprint": data.fingerprint, "train": len(data.train), "test": len(data.test)}
            for kind, data in (("boxes", self.boxed), ("masks", self.masked))
        }
        self.notes["pretrained"] = "SqueezeNet on ImageNet" if self.weights else "the encoder of the package"
        self.opening()
        self._named()
        self._anchors()
        self._boxed()
        self._transposed()
        self._masked()
        self.left_out()
        self._published()
        return self.finish(began)

    # The sections, in the order of the report.

    def _curves(self, figure: str, names: Sequence[str], key: str, en: str, zh: str, axis: str) -> None:
        series = {}
        for name in names:
            rows = self.runs[name].metrics()
            series[self.figure_label(name)] = ([row["images"] for row in rows], [row[key] for row in rows])
        self.report.picture(figure, curve(series, self.say.figure("images", "图像数"), axis), self.say(en, zh))

    def _measured(self, names: Sequence[str], note_zh: str) -> None:
        """The evaluations of some runs on the same data in one table, the baselines once."""
        evaluations = {name: self.runs[name].evaluation for name in names}
        rows = [{**found["rows"][0], "name": self.label(name)} for name, found in evaluations.items()]
        last = evaluations[names[-1]]
        for row in last["rows"][1:]:
            chinese = row["name"]
            for en, zh in BASELINES:
                chinese = chinese.replace(en, zh)
            rows.append({**row, "name": self.say(row["name"], chinese)})
        head, cells, caption = evaluation_table({**last, "rows": rows, "notice": ""})
        side = last["resolution"]
        self.report.table(
            head, cells, self.say(caption, f"{last['data']} 的 {last['images']:,} 张测试图像，{side}×{side}。{note_zh}")
        )

    def _about(self, data: ImageData) -> None:
        say = self.say
        self.report.say(
            say(f"{data.name}: {len(data.train):,} training and {len(data.test):,} test images, {len(data.classes)} classes: {', '.join(data.classes)}.",
                f"{data.name}：训练 {len(data.train):,} 张，测试 {len(data.test):,} 张，{len(data.classes)} 类：{'、'.join(data.classes)}。"),
        )  # fmt: skip
        if data.notice and data is not self.data:
            self.report.say(say(data.notice, data.notice_zh or data.notice), loud=True)

    def _named(self) -> None:
        say, names = self.say, ("fine-tuned", "scratch")
        self.report.heading(say("Fine-tuning against training from scratch", "微调与从零训练"))
        self._about(self.data)
        count = self.runs["scratch"].config["config"]["images"]
        self._curves(
            "naming", names, "cross_entropy",
            f"The same network on the same {count:,} images, augmented, once with weights that were trained before and once without.",
            f"同一网络、同样 {count:,} 张增广图像：一次用预训练权重，一次不用。", say.figure("cross entropy", "交叉熵"),
        )  # fmt: skip
        self._measured(names, "low 与 high：准确率的 95% 置信区间（Wilson）。")
        for name in names:
            found = self.runs[name].evaluation
            self.report.picture(
                f"confusion-{name}", confusion_table(torch.tensor(found["confusion"]), self.data.classes, say.figure("true", "真实"), say.figure("said", "判为")),
                say(f"{self.label(name)}: test images by what they are and what the network says.", f"{self.label(name)}：测试图像的真实类别与判断。"),
            )  # fmt: skip
        system = self.runs["fine-tuned"].system
        assert isinstance(system, FineTuned)
        images, words = mistakes(system, self.data, self.runtime)
        if len(images):
            self.report.picture(
                "mistakes", captioned(images, words),
                say("Fine-tuned: what it was most sure of, and wrong: what it is, and what was said.", "微调网络最确信的错误：真实类别与判断。"),
            )  # fmt: skip
        for name in names:
            self.row(f"test accuracy, {self.plans[name].en}", f"测试准确率，{self.plans[name].zh}", self.runs[name].evaluation["rows"][0]["accuracy"], "", PUBLISHED[name], "higher", comparable=False)  # fmt: skip
        trivial = self.runs["scratch"].evaluation["rows"][1]
        self.row("test accuracy of the commonest name", "总答最常见类别的准确率", trivial["accuracy"], "")

    def _boxed(self) -> None:
        say, names = self.say, ("ssd", "ssd-pretrained")
        self.report.heading(say("SSD", "SSD"))
        self._about(self.boxed)
        system = self.runs["ssd"].system
        assert isinstance(system, SSD)
        for place in range(min(2, len(self.boxed.train))):
            self.report.picture(
                f"assigned-{place}", inspect_anchors(system, self.boxed, place, say.figure("objects", "物体")),
                say("A training image: its objects, and on each map the anchors that are trained for them, with where their offsets lead.",
                    "一张训练图像：其中的物体，以及各特征图上为其训练的锚框和偏移方向。"),
            )  # fmt: skip
        self._curves("boxing", names, "naming", "The loss of what anchors say they hold.", "锚框类别的损失。", say.figure("loss", "损失"))  # fmt: skip
        self._measured(
            names,
            "map：COCO 的平均精度均值，重叠 0.5 至 0.95；map_50：重叠 0.5；检测置信度不低于 0.01。class_error 与 box_mae 是对全部锚框的平均，而锚框几乎都是背景。",
        )  # fmt: skip
        rows: dict[str, torch.Tensor] = {}
        for name in names:
            true, found = shown_rows(self.runs[name].system, self.boxed, self.runtime, SHOWN)  # pyright: ignore[reportArgumentType]
            rows.setdefault(say.figure("true", "真实"), true)
            rows[self.figure_label(name)] = found
        self.report.picture(
            "detections", labelled_rows(rows),
            say("Test images, not chosen: what is there, and what each network is surer of than 0.3.", "测试图像（未经挑选）：真实物体，以及各网络置信度高于 0.3 的检测。"),
        )  # fmt: skip
        for name in names:
            found = self.runs[name].evaluation["rows"]
            self.row(f"mAP at 0.5, {self.plans[name].en}", f"mAP@0.5，{self.plans[name].zh}", found[0]["map_50"], "")
            self.row(
                f"mAP from 0.5 to 0.95, {self.plans[name].en}",
                f"mAP@0.5:0.95，{self.plans[name].zh}",
                found[0]["map"],
                "",
            )
        found = self.runs["ssd"].evaluation["rows"]
        for line, en, zh in (
            (found[0], "TinySSD", "TinySSD"),
            (found[1], "no object anywhere", "处处判为无物体"),
        ):
            published = (3.27e-3, 3.08e-3) if line is found[0] else (None, None)
            self.row(f"class error over all anchors, {en}", f"全部锚框的类别错误率，{zh}", line["class_error"], "", published[0], "lower", comparable=False)  # fmt: skip
            self.row(f"mean error of offsets over all anchors, {en}", f"全部锚框的偏移平均误差，{zh}", line["box_mae"], "", published[1], "lower", comparable=False)  # fmt: skip

    def _masked(self) -> None:
        say, names = self.say, ("fcn-32s", "fcn-8s", "unet", "deeplab")
        self.report.heading(say("A class for every pixel", "逐像素分类"))
        self._about(self.masked)
        self._curves("colouring", names, "cross_entropy", "Cross entropy of the pixels of training images.", "训练图像像素的交叉熵。", say.figure("cross entropy", "交叉熵"))  # fmt: skip
        self._measured(
            names, "miou：由全部像素的一个混淆矩阵得出，与 VOC 相同；不计空白像素。图像整张读入，短边等于此边长。"
        )  # fmt: skip
        shares = {name: self.runs[name].evaluation["per_class"] for name in names}
        cells = [
            [word, *("–" if (share := shares[name][word]) is None else f"{share:.3f}" for name in names)]
            for word in self.masked.classes
        ]
        self.report.table(
            ["", *(self.label(name) for name in names)], cells,
            say("Intersection over union of each class on the test images; –: a class that they do not have.", "测试图像上各类别的交并比；“–”表示测试图像中没有该类。"),
        )  # fmt: skip
        systems: dict[str, Segmenter] = {}
        rows: dict[str, torch.Tensor] = {}
        for name in names:
            system = self.runs[name].system
            assert isinstance(system, Segmenter)
            systems[self.label(name)] = system
            images, true, said = shown_rows(system, self.masked, self.runtime, SHOWN)
            rows.setdefault(say.figure("image", "图像"), images)
            rows.setdefault(say.figure("true", "真实"), true)
            rows[self.figure_label(name)] = said
        self.report.picture(
            "pixels", labelled_rows(rows),
            say("Test images, not chosen, as central squares or whole.", "测试图像（未经挑选），整幅或取中央方块。"),
        )  # fmt: skip
        self.fields(systems)
        for name in names:
            found = self.runs[name].evaluation["rows"][0]
            self.row(f"mIoU, {self.plans[name].en}", f"mIoU，{self.plans[name].zh}", found["miou"], "")
            published = 0.852 if name == "fcn-32s" else None
            self.row(f"pixel accuracy, {self.plans[name].en}", f"像素准确率，{self.plans[name].zh}", found["pixel_accuracy"], "", published, "higher", comparable=False)  # fmt: skip
        trivial = self.runs["unet"].evaluation["rows"][1]
        self.row("mIoU of the commonest class everywhere", "处处判为最常见类别的 mIoU", trivial["miou"], "")
        self.row(
            "pixel accuracy of the commonest class everywhere",
            "处处判为最常见类别的像素准确率",
            trivial["pixel_accuracy"],
            "",
        )

    def _published(self) -> None:
        say = self.say
        self.report.heading(say("Published vs. measured", "发表值与实测值"))
        self.report.say(
            say(
                "The course's numbers are of other data: 0.940 and 0.850 of hot dogs by ResNet-18, 3.27e-3 and 3.08e-3 of bananas, one to a picture and measured on the training images, 0.852 of random crops of VOC with void counted as background. "
                "Saying that no anchor holds anything scores 4.8e-3 on the course's bananas, which is why mAP stands here first.",
                "课程中的数值来自其他数据：0.940 与 0.850 为 ResNet-18 的热狗分类；3.27e-3 与 3.08e-3 为香蕉检测，每图一个物体，且在训练图像上测得；0.852 为 VOC 随机裁剪，未知像素算作背景。"
                "在课程的香蕉数据上，处处判为无物体即可得 4.8e-3，因此这里首先看 mAP。",
            )
        )
        self.rows_table()
