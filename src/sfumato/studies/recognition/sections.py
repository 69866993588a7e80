"""What the recognition study tells of its runs, in the order of its report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...data.dataset import ImageData
from ...metrics.table import OURS, Evaluation, Words
from ...recognition.family import by_epoch
from ...reports.figures import captioned, confusion_table, curve, labelled_rows
from ...reports.language import Speaker
from ..study import StudyReport, left_out, notice
from .anchors import anchors, fields, transposed
from .measures import BOXING, COLOURING, Recognition

NAMING = ("fine-tuned", "scratch")
PUBLISHED = {"fine-tuned": 0.940, "scratch": 0.850}
PUBLISHED_ERRORS = (3.27e-3, 3.08e-3)  # of classes and of offsets


def named(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    report.heading("Fine-tuning against training from scratch", "微调与从零训练")
    _about(report, measured.data)
    count = measured.runs["scratch"].history.config["images"]
    _curves(
        report, say, measured, "naming", NAMING, "cross_entropy", say.figure("cross entropy", "交叉熵"),
        f"The same network on the same {count:,} images, augmented, once with weights that were trained before and once without.",
        f"同一网络、同样 {count:,} 张增广图像：一次用预训练权重，一次不用。",
    )  # fmt: skip
    _epochs(report, say, measured, "naming-epochs", NAMING, "accuracy", measured.data)
    report.evaluation(_merged(measured, NAMING))
    for name in NAMING:
        run = measured.runs[name]
        counts, label = torch.tensor(run.evaluation.more["confusion"]), run.label(say)
        report.picture(
            f"confusion-{name}", confusion_table(counts, measured.data.classes, say.figure("true", "真实"), say.figure("said", "判为")),
            f"{label}: test images by what they are and what the network says.", f"{label}：测试图像的真实类别与判断。",
        )  # fmt: skip
    images, words = measured.mistakes
    if len(images):
        report.picture(
            "mistakes", captioned(images, words),
            "Fine-tuned: what it was most sure of, and wrong: what it is, and what was said.", "微调网络最确信的错误：真实类别与判断。",
        )  # fmt: skip
    for name in NAMING:
        run = measured.runs[name]
        report.row(f"test accuracy, {run.plan.en}", f"测试准确率，{run.plan.zh}", run.evaluation.value("accuracy"), "", PUBLISHED[name], "higher", comparable=False)  # fmt: skip
    commonest = measured.runs["scratch"].evaluation.value("accuracy", "commonest")
    report.row("test accuracy of the commonest name", "总答最常见类别的准确率", commonest)


def boxed(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    report.heading("SSD", "SSD")
    _about(report, measured.boxed)
    notice(report, measured.boxed)
    for place, figure in enumerate(measured.assigned):
        report.picture(
            f"assigned-{place}", figure,
            "A training image: its objects, and on each map the anchors that are trained for them, with where their offsets lead.",
            "一张训练图像：其中的物体，以及各特征图上为其训练的锚框和偏移方向。",
        )  # fmt: skip
    report.picture(
        "looks", measured.looks,
        "How much one number changes with each pixel that it is computed from (roots of mean absolute gradients), in the frame of what kernels and poolings allow: behind a halving block with new weights, and on each map of TinySSD.",
        "一个数随各像素的变化（平均绝对梯度的平方根），红框为卷积与汇聚所允许的范围：新权重的减半块，以及 TinySSD 的各特征图。",
    )  # fmt: skip
    report.row(
        "receptive field of a halving block, by gradient",
        "减半块的感受野（由梯度得出）",
        measured.block,
        "pixels",
        6,
        "lower",
    )
    loss = say.figure("loss", "损失")
    _curves(report, say, measured, "boxing", BOXING, "naming", loss, "The loss of what anchors say they hold.", "锚框类别的损失。")  # fmt: skip
    report.evaluation(_merged(measured, BOXING))
    report.picture(
        "detections", labelled_rows(_rows(say, measured, measured.detections, say.figure("true", "真实"))),
        "Test images, not chosen: what is there, and what each network is surer of than 0.3.", "测试图像（未经挑选）：真实物体，以及各网络置信度高于 0.3 的检测。",
    )  # fmt: skip
    for name in BOXING:
        run = measured.runs[name]
        report.row(f"mAP at 0.5, {run.plan.en}", f"mAP@0.5，{run.plan.zh}", run.evaluation.value("map_50"))
        report.row(f"mAP from 0.5 to 0.95, {run.plan.en}", f"mAP@0.5:0.95，{run.plan.zh}", run.evaluation.value("map"))
    found = measured.runs["ssd"].evaluation
    for of, en, zh, printed in (
        (OURS, "TinySSD", "TinySSD", PUBLISHED_ERRORS),
        ("nothing", "no object anywhere", "处处判为无物体", (None, None)),
    ):
        report.row(f"class error over all anchors, {en}", f"全部锚框的类别错误率，{zh}", found.value("class_error", of), "", printed[0], "lower", comparable=False)  # fmt: skip
        report.row(f"mean error of offsets over all anchors, {en}", f"全部锚框的偏移平均误差，{zh}", found.value("box_mae", of), "", printed[1], "lower", comparable=False)  # fmt: skip


def masked(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    report.heading("A class for every pixel", "逐像素分类")
    _about(report, measured.masked)
    notice(report, measured.masked)
    _curves(
        report, say, measured, "colouring", COLOURING, "cross_entropy", say.figure("cross entropy", "交叉熵"),
        "Cross entropy of the pixels of training images.", "训练图像像素的交叉熵。",
    )  # fmt: skip
    _epochs(report, say, measured, "colouring-epochs", COLOURING[:1], "pixel_accuracy", measured.masked)
    report.evaluation(_merged(measured, COLOURING))
    shares = [measured.runs[name].evaluation.more["per_class"] for name in COLOURING]
    cells = [
        [word, *("–" if (share := run[word]) is None else f"{share:.3f}" for run in shares)]
        for word in measured.masked.classes
    ]
    report.table(
        ["", *(measured.runs[name].label(say) for name in COLOURING)], cells,
        "Intersection over union of each class on the test images; –: a class that they do not have.", "测试图像上各类别的交并比；“–”表示测试图像中没有该类。",
    )  # fmt: skip
    beside = (say.figure("image", "图像"), say.figure("true", "真实"))
    report.picture(
        "pixels", labelled_rows(_rows(say, measured, measured.colourings, *beside)),
        "Test images, not chosen, as central squares or whole.", "测试图像（未经挑选），整幅或取中央方块。",
    )  # fmt: skip
    fields(report, say, measured)
    for name in COLOURING:
        run = measured.runs[name]
        report.row(f"mIoU, {run.plan.en}", f"mIoU，{run.plan.zh}", run.evaluation.value("miou"))
        printed = 0.852 if name == "fcn-32s" else None
        report.row(f"pixel accuracy, {run.plan.en}", f"像素准确率，{run.plan.zh}", run.evaluation.value("pixel_accuracy"), "", printed, "higher", comparable=False)  # fmt: skip
    found = measured.runs["unet"].evaluation
    miou, accuracy = (found.value(key, "commonest") for key in ("miou", "pixel_accuracy"))
    report.row("mIoU of the commonest class everywhere", "处处判为最常见类别的 mIoU", miou)
    report.row("pixel accuracy of the commonest class everywhere", "处处判为最常见类别的像素准确率", accuracy)


def published(report: StudyReport, say: Speaker, measured: Recognition) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    report.say(
        "The course's numbers are of other data: 0.940 and 0.850 of hot dogs by ResNet-18, 3.27e-3 and 3.08e-3 of bananas, one to a picture and measured on the training images, 0.852 of random crops of VOC with void counted as background. "
        "Saying that no anchor holds anything scores 4.8e-3 on the course's bananas, which is why mAP stands here first.",
        "课程中的数值来自其他数据：0.940 与 0.850 为 ResNet-18 的热狗分类；3.27e-3 与 3.08e-3 为香蕉检测，每图一个物体，且在训练图像上测得；0.852 为 VOC 随机裁剪，未知像素算作背景。"
        "在课程的香蕉数据上，处处判为无物体即可得 4.8e-3，因此这里首先看 mAP。",
    )
    report.rows_table()


def _about(report: StudyReport, data: ImageData) -> None:
    report.say(
        f"{data.name}: {len(data.train):,} training and {len(data.test):,} test images, {len(data.classes)} classes: {', '.join(data.classes)}.",
        f"{data.name}：训练 {len(data.train):,} 张，测试 {len(data.test):,} 张，{len(data.classes)} 类：{'、'.join(data.classes)}。",
    )  # fmt: skip


def _curves(
    report: StudyReport, say: Speaker, measured: Recognition, figure: str, names: Sequence[str], key: str, axis: str,
    en: str, zh: str,
) -> None:  # fmt: skip
    series = {measured.runs[name].figure_label(say): measured.runs[name].series(key) for name in names}
    report.picture(figure, curve(series, say.figure("images", "图像数"), axis), en, zh)


def _epochs(
    report: StudyReport, say: Speaker, measured: Recognition, figure: str, names: Sequence[str], key: str,
    data: ImageData,
) -> None:  # fmt: skip
    """Accuracy of training and of test images by epoch."""
    series = {}
    for name in names:
        run = measured.runs[name]
        found = by_epoch(run.history, len(data.train))
        halves = ((key, say.figure("training", "训练")), (f"test_{key}", say.figure("test", "测试")))
        series |= {f"{run.figure_label(say)}, {words}": found[half] for half, words in halves}
    report.picture(
        figure, curve(series, say.figure("epoch", "轮次"), say.figure("accuracy", "准确率"), rising=True),
        "Accuracy by epoch: training images as they were shown, test images as they are. Nothing was chosen by these.",
        "各轮的准确率：训练图像为增广后的样子，测试图像为原样，未据此作任何选择。",
    )  # fmt: skip


def _merged(measured: Recognition, names: Sequence[str]) -> Evaluation:
    """The evaluations of some runs on the same data as one, the baselines once."""
    runs = [measured.runs[name] for name in names]
    last = runs[-1].evaluation
    ours = [replace(row, of=run.plan.name) for run in runs for row in run.evaluation.rows if row.of == OURS]
    beside = [row for row in last.rows if row.of != OURS]
    words = {run.plan.name: Words(run.plan.en, run.plan.zh) for run in runs}
    return replace(last, rows=(*ours, *beside), names={**last.names, **words}, notice=Words("", ""))


def _rows(
    say: Speaker, measured: Recognition, shown: Mapping[str, Sequence[Tensor]], *beside: str
) -> dict[str, Tensor]:
    """Rows of pictures: those that are the same for all runs, called `beside`, then what each run says."""
    rows = dict(zip(beside, next(iter(shown.values())), strict=False))
    return rows | {measured.runs[name].figure_label(say): images[-1] for name, images in shown.items()}


SECTIONS = (named, anchors, boxed, transposed, masked, left_out, published)
