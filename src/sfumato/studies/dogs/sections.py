"""What the dogs study tells of networks, training, codes, reconstruction and noise, in the order of its report."""

import torch

from ...metrics.reconstruction import Row as Measures
from ...metrics.table import MEASURES
from ...ops.noise import nominal_snr
from ...reports.figures import code_pictures, curve, labelled_rows
from ...reports.language import Speaker
from ..study import StudyReport, left_out
from . import spaces
from .measures import Dogs, Restored, Sent
from .plans import LEVELS, NOISY

PUBLISHED_PSNR = {0.05: 25.9, 0.1: 24.3, 0.15: 24.2}  # image and reconstruction, dB
PUBLISHED_AGREEMENT = {0.05: 42.0, 0.1: 37.0, 0.15: 36.0}  # reconstruction and noisy reconstruction, dB
PUBLISHED_CODE_16, PUBLISHED_BEST = 31.4, 32.06  # dB, and what is given as the best
COLUMNS = ("psnr", "psnr_pooled", "ssim")


def networks(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("The networks", "网络结构")
    known = measured.networks
    (total, ours), (reference, better) = known.parameters, known.products
    report.say(
        f"The reference squeezes 64×64×3 = 12,288 numbers into 16 maps of 8×8 = 1,024 and unfolds them again: "
        f"{total:,} parameters, {reference / 1e6:.0f} million multiply-adds per image. Ours, for the same code, "
        f"has {ours:,} parameters and {better / 1e6:.0f} million multiply-adds ({better / reference:.2f} times as "
        f"many): pixels folded into channels instead of pooling, residual blocks without batch norm, and "
        f"no ReLU on the code.",
        f"基准网络把 64×64×3 = 12,288 个数压缩成 16 张 8×8 的图，共 1,024 个数，再展开：{total:,} 个参数，每张图像 "
        f"{reference / 1e6:.0f} 百万次乘加。我们的网络编码大小相同，{ours:,} 个参数，{better / 1e6:.0f} 百万次乘加"
        f"（{better / reference:.2f} 倍）：用像素折叠代替池化，无批归一化的残差块，编码上没有 ReLU。",
    )
    report.table(
        [say("part", "部分"), say("layer", "层"), say("output shape", "输出形状"), say("parameters", "参数量")],
        known.layers,
        "The reference, layer by layer. Twice the logit through a sigmoid is the printed Tanh, brought to [0, 1].",
        "基准网络各层。两倍 logit 的 sigmoid 即原文的 Tanh（换算到 [0, 1]）。",
    )
    report.row("multiply-adds, reference", "乘加次数，基准网络", reference / 1e6, "million/image")
    report.row("multiply-adds, ours", "乘加次数，我们的网络", better / 1e6, "million/image")


def training(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Training", "训练")
    series = {}
    for run in measured.runs.values():
        epochs, errors = run.series("mse", "epoch")
        series[run.figure_label(say)] = (epochs, [-10 * torch.log10(torch.tensor(error)).item() for error in errors])
    spent = ", ".join(
        f"{run.label(say)}: {run.history.rows[-1]['epoch']:.0f} ({run.seconds:.0f} s)" for run in measured.runs.values()
    )
    report.picture(
        "curves",
        curve(series, say.figure("epoch", "epoch"), say.figure("training PSNR (pooled), dB", "训练 PSNR（总体），dB"), rising=True),
        f"PSNR of each epoch's mean squared error while training, noise included. Epochs and seconds: {spent}.",
        f"训练中每个 epoch 均方误差对应的 PSNR（含噪声）。epoch 数与秒数：{spent}。",
    )  # fmt: skip
    gains = "; ".join(
        f"{label} {levels[-1] - levels[(len(levels) - 1) // 2]:+.2f} dB" for label, (_, levels) in series.items()
    )
    report.say(
        "The learning rate falls to 0 along a cosine: a curve that flattens at its end does not show that a longer run "
        f"would gain nothing. What the second half of each run gained in training: {gains}",
        f"学习率按余弦降到 0：曲线末端变平并不说明更长的训练没有增益。各次训练后半程的增益（训练 PSNR）为：{gains}",
    )


def codes(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Codes", "编码")
    names = (say.figure("image", "原图"), say.figure("code", "编码"), say.figure("histogram", "直方图"),
             say.figure("reconstruction", "重建"))  # fmt: skip
    report.picture(
        "codes",
        code_pictures(measured.images, measured.maps, measured.restored["reference"].shown, names),
        "Held-out images, the 16 maps of their codes (each scaled to its own range), histograms of the 1,024 numbers "
        "(logarithmic), reconstructions. The maps are small pictures of their image: this code keeps places.",
        "留出图像、编码的 16 张图（各自缩放）、1,024 个数的直方图（对数纵轴）、重建。编码图仍是原图的缩影：位置被保留。",
    )
    rows = [
        [measured.runs[name].label(say), f"{facts.mean:.3f}", f"{facts.std:.3f}", f"{facts.low:.2f}", f"{facts.high:.2f}",
         f"{facts.zeros:.1%}", f"{facts.shrinkage:.3f}"]
        for name, facts in measured.statistics.items()
    ]  # fmt: skip
    report.table(
        ["", say("mean", "均值"), say("std", "标准差"), say("lowest", "最小"), say("highest", "最大"),
         say("zeros", "零的比例"), say("shrinkage", "收缩")],
        rows,
        f"Statistics of {measured.fitted} codes of training images. Shrinkage: how far Ledoit and Wolf's estimate moves the "
        f"covariance of these codes towards a multiple of the identity.",
        f"{measured.fitted} 个训练图像编码的统计量。收缩：Ledoit-Wolf 估计把协方差向单位阵倍数收缩的程度。",
    )  # fmt: skip


def reconstruction(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Reconstruction, beside linear codes of the same size", "重建，与同样大小的线性编码比较")
    cells = []
    for name, code in measured.restored.items():
        found = {"training": ("训练", code.train), "held-out": ("留出", code.held_out)}
        values = [MEASURES[key].form.format(measures[key]) for _, measures in found.values() for key in COLUMNS]
        cells.append([code.words.by(say), *values])
        for split, (where, measures) in found.items():
            published = PUBLISHED_CODE_16 if (name, split) == ("code-16", "training") else None
            for key, words, chinese in (("psnr", "per image", "逐图"), ("psnr_pooled", "pooled", "总体")):
                report.row(
                    f"{code.words.en}: {split} psnr, {words}", f"{code.words.zh}：{where} psnr，{chinese}", measures[key],
                    "dB", published if key == "psnr" else None, "higher", comparable=False,
                )  # fmt: skip
    splits, count = (say("train", "训练"), say("held out", "留出")), measured.count
    report.table(
        ["", *(f"{measure}, {split}" for split in splits for measure in COLUMNS)],
        cells,
        f"{count} training and {count} held-out images, without noise on the codes. psnr: mean over images of "
        f"10·log10(1/mse of the image); psnr_pooled: of the mean squared error of all pixels. PCA-1024 and patch "
        f"PCA of 8×8 blocks store as many numbers per image as the 16×8×8 code, patch PCA of 4×4 blocks as many as the "
        f"16×16×16 code; PCA of the whole image has at most as many directions as there are training images and mirrors of them.",
        f"训练与留出图像各 {count} 张，编码上不加噪声。psnr 为逐图平均，psnr_pooled 由总均方误差算得。PCA-1024 与 8×8 分块 PCA"
        f"和 16×8×8 编码大小相同，4×4 分块 PCA 和 16×16×16 编码相同；整图 PCA 的方向数不会超过训练图像及其镜像数。",
    )
    rows = {say.figure("image", "原图"): measured.images}
    for name in ("reference", "noise-0.05", "better"):
        psnr = measured.restored[name].held_out["psnr"]
        _verdict(report, say, measured, name, psnr, say("clean codes", "编码无噪声"))
    for name in ("reference", "noise-0.05", "better", "code-16"):
        rows[measured.runs[name].figure_label(say)] = measured.restored[name].shown
    rows |= {name: measured.restored[name].shown for name in measured.linear}
    report.picture("reconstructions", labelled_rows(rows), "Held-out images through every code.", "留出图像经过各种编码后的重建。")  # fmt: skip


def _verdict(report: StudyReport, say: Speaker, measured: Dogs, name: str, psnr: float, codes: str) -> None:
    """Says whether the run `name` wins against the linear codes of the same size."""
    gains = [(code.words, psnr - code.held_out["psnr"]) for code in _linear(measured)]
    en = " and ".join(
        f"{'beats' if gain > 0 else 'loses to'} {words.en} by {abs(gain):.2f} dB" for words, gain in gains
    )
    zh = "，".join(f"{'优于' if gain > 0 else '不如'}{words.zh}，相差 {abs(gain):.2f} dB" for words, gain in gains)
    label = measured.runs[name].label(say)
    report.say(
        f"On held-out images {label} {en} ({codes}).",
        f"在留出图像上，{label}{zh}（{codes}）。",
        loud=min(gain for _, gain in gains) <= 0,
    )


def _linear(measured: Dogs) -> list[Restored]:
    return [measured.restored[name] for name in measured.linear]


def noise(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Noise on the codes", "编码上的噪声")
    report.say(
        "These networks scale their codes to power 1 (the mean over a batch; outside training a running mean of it, "
        "so that an image's code does not depend on its neighbours) and add white Gaussian noise, in training and in test. The "
        "reference's text calls the numbers 0.05, 0.1 and 0.15 variances; its code uses them as standard "
        "deviations, and so do we; one run has 0.15 as a variance (`--noise-is variance`). The table gives the signal-to-"
        "noise ratio that either reading would mean and the one measured.",
        "这些网络把编码缩放到功率 1（整批的平均；训练之外用其滑动平均，使一张图的编码与同批图像无关），再加高斯白噪声，训练和测试时都加。原文称 0.05、0.1、0.15 为方差，其代码却把它们用作标准差，"
        "这里与代码一致；另有一次训练把 0.15 当作方差（`--noise-is variance`）。表中给出两种读法对应的信噪比以及实测值。",
    )
    cells = []
    for name, level in NOISY.items():
        sent, train = measured.held_out[name], measured.train[name]
        pairs = (sent.restored, sent.with_noise, sent.agreement, train.restored, train.agreement)
        cells.append(
            [measured.runs[name].label(say), f"{nominal_snr(level, 'variance'):.2f}", f"{nominal_snr(level, 'std'):.2f}",
             f"{sent.snr:.2f}", *map(_pair, pairs)]
        )  # fmt: skip
        _noise_rows(report, measured, name, sent, train)
    head = ["", say("SNR if variance", "信噪比（方差）"), say("SNR if std", "信噪比（标准差）"), say("SNR measured", "实测信噪比"),
            say("image, reconstruction", "图像与重建"), say("image, noisy", "图像与含噪重建"),
            say("reconstruction, noisy", "重建与含噪重建"), say("image, reconstruction (train)", "图像与重建（训练）"),
            say("reconstruction, noisy (train)", "重建与含噪重建（训练）")]  # fmt: skip
    report.table(
        head,
        cells,
        "In dB; psnr as the mean over images, in brackets pooled. Held-out images unless marked. A noisy "
        "reconstruction is decoded from code + noise.",
        "单位 dB；psnr 为逐图平均，括号内为总体。未注明的为留出图像。含噪重建由编码加噪声解码得到。",
    )
    for name in (name for name, level in NOISY.items() if level == LEVELS[0]):
        plan, psnr = measured.runs[name].plan, measured.held_out[name].with_noise["psnr"]
        codes = say(f"codes with noise of σ {LEVELS[0]:g}", f"编码噪声 σ {LEVELS[0]:g}")
        _verdict(report, say, measured, name, psnr, codes)
        for code in _linear(measured):
            en = f"{plan.en}: gain over {code.words.en}, held out, noise on"
            zh = f"{plan.zh}：相对 {code.words.zh} 的增益（留出，含噪声）"
            report.row(en, zh, psnr - code.held_out["psnr"], "dB")
    strongest = measured.held_out[f"noise-{LEVELS[-1]:.2f}"]
    rows = {say.figure("image", "原图"): measured.images, say.figure("clean code", "无噪编码"): strongest.clean,
            say.figure("noisy code", "含噪编码"): strongest.noisy}  # fmt: skip
    report.picture(
        "noise", labelled_rows(rows), f"Held-out images with the strongest noise, σ {LEVELS[-1]:g}.",
        f"噪声最强时（σ {LEVELS[-1]:g}）的留出图像。",
    )  # fmt: skip


def _pair(measures: Measures) -> str:
    """Per image, and pooled in brackets."""
    return f"{measures['psnr']:.2f} ({measures['psnr_pooled']:.2f})"


def _noise_rows(report: StudyReport, measured: Dogs, name: str, sent: Sent, train: Sent) -> None:
    plan, level = measured.runs[name].plan, NOISY[name]
    report.row(f"{plan.en}: measured SNR of the codes", f"{plan.zh}：编码的实测信噪比", sent.snr, "dB")
    report.row(f"{plan.en}: psnr, held-out image and reconstruction from noisy code",
               f"{plan.zh}：留出图像与含噪编码重建的 psnr", sent.with_noise["psnr"], "dB")  # fmt: skip
    if name.startswith("noise"):
        report.row(f"{plan.en}: psnr, training image and reconstruction", f"{plan.zh}：训练图像与重建的 psnr",
                   train.restored["psnr"], "dB", PUBLISHED_PSNR[level], "higher", comparable=False)  # fmt: skip
        report.row(f"{plan.en}: psnr, reconstruction and noisy reconstruction (training)",
                   f"{plan.zh}：重建与含噪重建的 psnr（训练）", train.agreement["psnr"], "dB",
                   PUBLISHED_AGREEMENT[level], "higher", comparable=False)  # fmt: skip


def published(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    report.say(
        "The published numbers are on another, smoother set of dogs and on its training images. The rows beside them "
        "are therefore those on our training images; they stand there for orientation and are not held against "
        f"them (for the 16×16×16 code {PUBLISHED_BEST:g} dB is given as the best). The rows that judge a network are the held-out ones, beside the linear codes.",
        f"发表值来自另一组更平滑的狗图像，且是训练图像上的数值，因此与之并列的是我们训练图像上的结果，仅供参考，不作评判（16×16×16 编码另给出最好值 {PUBLISHED_BEST:g} dB）。"
        "评判网络应看留出图像，并与线性编码相比。",
        loud=True,
    )
    report.rows.sort(key=lambda row: row.published is None)
    report.rows_table()


SECTIONS = (networks, training, codes, reconstruction, noise, *spaces.SECTIONS, left_out, published)
