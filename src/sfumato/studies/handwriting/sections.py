"""What the handwriting study tells, in the order of its report."""

from collections.abc import Sequence

from ...autoencoders.measures import DRAWN
from ...metrics.digit_reader import CONFIDENT
from ...metrics.reconstruction import Row as Measures
from ...metrics.table import MEASURES
from ...reports.figures import curve, labelled_rows, plane, scatter, scatters
from ...reports.language import Speaker
from ..study import Finished, StudyReport
from .measures import DRAWN_BY, L2_BOX, MARGIN, PLANES, SIDE, Handwriting
from .plans import NORM_PENALTY, WEIGHT_DECAY

PUBLISHED_TRAIN_BCE = {"autoencoder": {10: 0.175239, 40: 0.165478, 100: 0.158320}, "denoising": {10: 0.182431, 120: 0.164589}}  # fmt: skip
PUBLISHED_RANGE = ((-30.0, 50.0), (-30.0, 80.0))
ABLATIONS = ("bottleneck-128", "mse", "relu", "all-sigmoid", "cnn", "denoising-cnn")
COLUMNS = ("bce", "mse", "psnr", "psnr_pooled", "ssim")


def network(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    known = measured.network
    report.heading("The network", "网络结构")
    report.say(
        f"The encoder squeezes 784 pixels into {known.bottleneck} numbers, the decoder unfolds them "
        f"again; {known.parameters:,} parameters in all. The decoder's last layer gives logits and a sigmoid makes them "
        f"grey levels, so that the cross-entropy can be computed in its stable form.",
        f"编码器把 784 个像素压缩成 {known.bottleneck} 个数，解码器再把它们展开；共 {known.parameters:,} 个参数。"
        f"解码器最后一层给出 logits，再经 sigmoid 变为灰度，这样交叉熵可以用数值稳定的形式计算。",
    )
    report.code(known.text)
    head = [say("part", "部分"), say("layer", "层"), say("output shape", "输出形状"), say("parameters", "参数量")]
    report.table(head, known.layers, "Layers in order.", "各层依次列出。")


def training(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("Training with a 2-dimensional bottleneck", "二维瓶颈的训练")
    run, found = measured.runs["autoencoder"], measured.fidelity["autoencoder"]
    _curve(report, say, run, measured)
    count, floor, fixed = len(measured.labels), measured.floor, measured.training_bce
    pictures = {
        say.figure("original", "原图"): measured.originals,
        say.figure("reconstruction", "重建"): measured.outputs["autoencoder"],
    }
    report.picture(
        "reconstructions",
        labelled_rows(pictures, measured.data.classes),
        f"The first test image of each digit above its reconstruction from 2 numbers. On all {count:,} test images: "
        f"BCE {found['bce']:.6f}, MSE {found['mse']:.6f}, PSNR {found['psnr']:.2f} dB, SSIM {found['ssim']:.4f}.",
        f"每个数字的第一张测试图像（上）与由 2 个数重建的图像（下）。全部 {count:,} 张测试图像："
        f"BCE {found['bce']:.6f}，MSE {found['mse']:.6f}，PSNR {found['psnr']:.2f} dB，SSIM {found['ssim']:.4f}。",
    )  # fmt: skip
    baselines = _baselines(run)
    rows = [(run.label(say), found), *((say(en, zh), values) for en, zh, values in baselines)]
    report.table(
        ["", *COLUMNS],
        _cells(rows),
        f"Test images. No reconstruction of them can have a BCE below {floor:.6f}, the entropy "
        f"of their grey levels. psnr is the mean over images, psnr_pooled that of the mean squared error (dB).",
        f"测试图像。任何重建的 BCE 都不可能低于 {floor:.6f}，即灰度本身的熵。psnr 为逐图平均，psnr_pooled 由总均方误差算得（dB）。",
    )
    report.say(
        f"The training BCE of the curve is the mean over an epoch while the weights still move; with the final "
        f"weights, the whole training set has BCE {fixed:.6f}.",
        f"曲线中的训练 BCE 是一个 epoch 内（权重仍在变化时）的平均；用最终权重，整个训练集的 BCE 为 {fixed:.6f}。",
    )
    report.row("autoencoder: bce on the training set, final weights", "自编码器：训练集 bce（最终权重）", fixed, "nats/pixel")  # fmt: skip
    named = [("autoencoder", "自编码器", found)]
    named += [(f"{en} (baseline)", f"{zh}（基线）", values) for en, zh, values in baselines]
    for key, unit in (("bce", "nats/pixel"), ("psnr", "dB"), ("ssim", "")):
        for en, zh, values in named:
            report.row(f"{en}: {key} on the test set", f"{zh}：测试集 {key}", values[key], unit)


def denoising(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    run, found = measured.runs["denoising"], measured.denoising
    report.heading("Denoising", "去噪")
    _curve(report, say, run, measured)
    before, after, count = found.before, found.after, len(measured.labels)
    rows = {
        say.figure("original", "原图"): measured.originals,
        say.figure("noisy", "加噪"): found.noisy,
        say.figure("denoised", "去噪"): found.denoised,
    }
    report.picture(
        "denoising",
        labelled_rows(rows, measured.data.classes),
        f"Ten triples of the test set. The network sees x + 0.4·N(0, 1), not clipped, and answers with x. "
        f"PSNR over {count:,} images: noisy (cut to [0, 1]) {before['psnr']:.2f} dB, denoised "
        f"{after['psnr']:.2f} dB; SSIM {before['ssim']:.4f} and {after['ssim']:.4f}.",
        f"测试集的十组三联图。网络看到 x + 0.4·N(0, 1)（不截断），输出 x。{count:,} 张图像的 PSNR：加噪（截断到 [0, 1]）{before['psnr']:.2f} dB，去噪 "
        f"{after['psnr']:.2f} dB；SSIM 分别为 {before['ssim']:.4f} 和 {after['ssim']:.4f}。",
    )
    report.row("noisy input, cut to [0, 1] (baseline): psnr", "加噪图像（截断，基线）：psnr", before["psnr"], "dB")
    report.row("denoised: psnr", "去噪图像：psnr", after["psnr"], "dB")


def code_plane(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("The code plane", "编码平面")
    space = measured.spaces["autoencoder"]
    codes, numbers, sampled = space.codes, space.numbers, space.around
    (left, bottom), (right, top) = numbers.low, numbers.high
    axes = _axes(say)
    report.picture(
        "codes",
        scatter(codes, measured.labels, measured.data.classes, *axes, box=(left, bottom, right, top)),
        f"The codes of all {len(codes):,} test images by digit; the dashed box is the occupied range, "
        f"[{left:.1f}, {right:.1f}] × [{bottom:.1f}, {top:.1f}].",
        f"全部 {len(codes):,} 张测试图像的编码，按数字着色；虚线框为占据范围 [{left:.1f}, {right:.1f}] × [{bottom:.1f}, {top:.1f}]。",
    )
    report.picture(
        "plane",
        plane(sampled.images, SIDE, sampled.extent, *axes, legible=sampled.legible),
        f"{SIDE}×{SIDE} codes spread evenly over that range ± {MARGIN}, decoded. Tinted cells are those that "
        f"the digit reader does not read with confidence ≥ {CONFIDENT}.",
        f"在该范围 ± {MARGIN} 内均匀取 {SIDE}×{SIDE} 个编码并解码。着色的格子是分类器置信度低于 {CONFIDENT} 的。",
    )
    _tightness(report, measured)
    _legibility(report, measured)
    for axis, (low, high) in enumerate(PUBLISHED_RANGE):
        which = axis + 1
        report.row(f"code range, axis {which}: lowest", f"编码第 {which} 维：最小", numbers.low[axis], "", low)
        report.row(f"code range, axis {which}: highest", f"编码第 {which} 维：最大", numbers.high[axis], "", high)
    same = 100 * numbers.neighbour_accuracy
    report.row("codes whose nearest neighbour is the same digit", "最近邻为同一数字的编码", same, "%")
    report.row("the same by chance (baseline)", "随机时（基线）", 100 * numbers.chance, "%")
    report.row("legible cells of the sampled plane", "采样平面中可辨认的格子", 100 * sampled.share, "%")


def _tightness(report: StudyReport, measured: Handwriting) -> None:
    """Which digits' codes lie close together, and which overlap, in words made from the numbers."""
    names, numbers = measured.data.classes, measured.spaces["autoencoder"].numbers
    order = sorted(range(len(names)), key=lambda k: numbers.compactness[k])
    tight, loose = order[:2], order[-1]
    shown = ", ".join(f"{names[a]}→{names[b]} ({share:.0%})" for a, b, share in numbers.overlaps[:3])
    report.say(
        f"The codes of {names[tight[0]]} and {names[tight[1]]} lie tightest (mean distance to their centre "
        f"{numbers.compactness[tight[0]]:.2f} and {numbers.compactness[tight[1]]:.2f} of the mean distance "
        f"between centres); those of {names[loose]} are the most scattered ({numbers.compactness[loose]:.2f}). "
        f"The nearest other code shows the same digit in {numbers.neighbour_accuracy:.1%} of cases; by chance "
        f"it would be {numbers.chance:.1%}. The largest overlaps, as the share of the first digit's codes whose "
        f"nearest neighbour is the second digit: {shown}.",
        f"{names[tight[0]]} 和 {names[tight[1]]} 的编码最紧凑（到各自中心的平均距离为中心间平均距离的 {numbers.compactness[tight[0]]:.2f} 和 "
        f"{numbers.compactness[tight[1]]:.2f}）；{names[loose]} 最分散（{numbers.compactness[loose]:.2f}）。最近邻编码为同一数字的比例为 "
        f"{numbers.neighbour_accuracy:.1%}，随机时为 {numbers.chance:.1%}。重叠最多的数字对（前者的编码中最近邻为后者的比例）：{shown}。",
    )


def _legibility(report: StudyReport, measured: Handwriting) -> None:
    """What the digit reader says of the plane, and what that is worth."""
    sampled, reading = measured.spaces["autoencoder"].around, measured.reading
    report.say(
        f"Of the {SIDE * SIDE} cells, {sampled.share:.1%} show what the digit reader takes for a digit with "
        f"confidence ≥ {CONFIDENT}; the other {1 - sampled.share:.1%} are the space between. The reader (a small "
        f"CNN trained on the same images, hash {reading.hash}) has {reading.accuracy:.1%} test accuracy and finds "
        f"{reading.real:.1%} of real test images legible, {reading.noise:.1%} of uniform noise images, and the mean image "
        f"{'legible' if reading.mean else 'not legible'}. The share says what this "
        f"classifier reads: it knows only digits, and can be confident about a shape that no person would read.",
        f"{SIDE * SIDE} 个格子中，{sampled.share:.1%} 被分类器以不低于 {CONFIDENT} 的置信度认作数字，其余 {1 - sampled.share:.1%} 是数字之间的空隙。"
        f"该分类器（在同样图像上训练的小型卷积网络，哈希 {reading.hash}）测试准确率 {reading.accuracy:.1%}；真实测试图像有 {reading.real:.1%} 可辨认，均匀噪声图像 "
        f"{reading.noise:.1%}，平均图像{'可辨认' if reading.mean else '不可辨认'}。这一比例只说明该分类器认得什么：它只认识数字，可能对人看不懂的形状也很有把握。",
    )
    report.row("digit reader: test accuracy", "分类器：测试准确率", 100 * reading.accuracy, "%")
    report.row("legible among real test images", "真实测试图像中可辨认的", 100 * reading.real, "%")
    report.row("legible among uniform noise images (baseline)", "均匀噪声图像中可辨认的（基线）", 100 * reading.noise, "%")  # fmt: skip


def regularised(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("The same with L2 regularisation, in its two forms", "加入 L2 正则化（两种形式）")
    report.say(
        f"Two things are called L2: weight decay inside the optimiser (here {WEIGHT_DECAY:g}·θ is added to "
        f"each gradient), and the sum of the parameters' 2-norms added to the loss (here {NORM_PENALTY:g}·Σ‖θ‖₂, "
        f"not squared). They are measured apart.",
        f"有两样东西都叫 L2：优化器中的权重衰减（这里每个梯度加上 {WEIGHT_DECAY:g}·θ），以及加到损失里的参数 2-范数之和（这里为 {NORM_PENALTY:g}·Σ‖θ‖₂，不平方）。下面分别测量。",
    )
    rows = []
    for name in PLANES:
        space, found, run = measured.spaces[name], measured.fidelity[name], measured.runs[name]
        numbers, spread, plan = space.numbers, float(space.codes.std(0).mean()), run.plan
        rows.append(
            [
                run.label(say), f"{found['bce']:.6f}", f"{found['psnr']:.2f}", f"{space.norms:.1f}",
                f"[{numbers.low[0]:.1f}, {numbers.high[0]:.1f}] × [{numbers.low[1]:.1f}, {numbers.high[1]:.1f}]",
                f"{spread:.2f}", f"{numbers.neighbour_accuracy:.1%}", f"{space.around.share:.1%}", f"{space.boxed.share:.1%}",
            ]
        )  # fmt: skip
        report.row(f"{plan.en}: spread of the codes", f"{plan.zh}：编码标准差", spread)
        share = 100 * space.boxed.share
        report.row(f"{plan.en}: legible cells of [-5, 5]²", f"{plan.zh}：[-5, 5]² 中可辨认的格子", share, "%")
        if name != "autoencoder":
            report.row(f"{plan.en}: bce on the test set", f"{plan.zh}：测试集 bce", found["bce"], "nats/pixel")
            _boxed(report, say, measured, name)
    head = ["", "bce", "psnr", "Σ‖θ‖₂", say("code range", "编码范围"), say("spread", "标准差"),
            say("same-digit neighbour", "同类近邻"), say("legible, range", "可辨认（范围）"),
            say("legible, ±5", "可辨认（±5）")]  # fmt: skip
    report.table(
        head,
        rows,
        "What the two forms of L2 moved. Spread: standard deviation of the test codes, mean of both axes. "
        "Legible: share of 20×20 cells over the occupied range ± 0.5, and over [-5, 5]².",
        "两种 L2 各自改变了什么。标准差：测试编码两轴标准差的平均。可辨认：占据范围 ± 0.5 及 [-5, 5]² 上 20×20 格子的比例。",
    )


def _boxed(report: StudyReport, say: Speaker, measured: Handwriting, name: str) -> None:
    """The plane of a run over the same square for all."""
    space, label = measured.spaces[name], measured.runs[name].label(say)
    inside = (space.codes.abs() <= L2_BOX[1]).all(1).float().mean()
    report.picture(
        f"plane-{name}",
        plane(space.boxed.images, SIDE, L2_BOX, *_axes(say), legible=space.boxed.legible),
        f"{label}: {SIDE}×{SIDE} codes from (-5, -5) to (5, 5), decoded. {inside:.1%} of the test "
        f"codes lie in this square; {space.boxed.share:.1%} of its cells are legible.",
        f"{label}：从 (-5, -5) 到 (5, 5) 的 {SIDE}×{SIDE} 个编码的解码。{inside:.1%} 的测试编码在此方形内；{space.boxed.share:.1%} 的格子可辨认。",
    )


def ablations(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("Ablations side by side", "消融实验")
    reference = "reference" if "reference" in measured.runs else "autoencoder"
    pictures = {say.figure("original", "原图"): measured.originals}
    rows = []
    for name in (reference, *ABLATIONS):
        run, found = measured.runs[name], measured.fidelity[name]
        rows.append((f"{run.label(say)} ({run.seconds:.0f} s)", found))
        pictures[run.figure_label(say)] = measured.outputs[name]
        if name != "autoencoder":
            en, zh = f"ablation, {run.plan.en}: psnr on the test set", f"消融，{run.plan.zh}：测试集 psnr"
            report.row(en, zh, found["psnr"], "dB")
    for en, zh, values in (_baselines(measured.runs[reference])[0], *_baselines(measured.runs["bottleneck-128"])):
        rows.append((say(en, zh), values))
    report.picture(
        "ablations",
        labelled_rows(pictures, measured.data.classes),
        "The same ten test images through each variant. The reference has bottleneck 2, BCE, LeakyReLU and "
        "linear layers; each other row changes one of these (bottleneck 128 drops the narrower layers too).",
        "同样的十张测试图像经过各变体。基准为瓶颈 2、BCE、LeakyReLU、全连接层；其余各行各改变一项（瓶颈 128 同时去掉更窄的层）。",
    )
    report.table(
        ["", *COLUMNS],
        _cells(rows),
        "All variants with the same number of training images, seconds of training in brackets; PCA with as "
        "many components as the code has numbers. With bottleneck 128 the widths are 512-256-128.",
        "各变体的训练图像数相同，括号内为训练秒数；PCA 的主成分数与编码维数相同。瓶颈为 128 时层宽为 512-256-128。",
    )


def compared(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("The same plane under other losses, activations and penalties", "不同损失、激活与惩罚下的编码平面")
    panels = {measured.runs[name].figure_label(say): codes for name, codes in measured.codes.items()}
    spread = {name: float(codes.std(0).mean()) for name, codes in measured.codes.items()}
    wide, narrow = max(spread, key=spread.__getitem__), min(spread, key=spread.__getitem__)
    report.picture(
        "codes-compared",
        scatters(panels, measured.labels, measured.data.classes),
        f"The codes of the test images in every run with two numbers, each panel with its own axes. The codes of "
        f"{measured.runs[wide].label(say)} spread widest (standard deviation {spread[wide]:.1f}), those of "
        f"{measured.runs[narrow].label(say)} least ({spread[narrow]:.2f}).",
        f"两维编码的各次训练中全部测试图像的编码，坐标轴各不相同。{measured.runs[wide].label(say)} 的编码最分散（标准差 {spread[wide]:.1f}），"
        f"{measured.runs[narrow].label(say)} 最集中（{spread[narrow]:.2f}）。",
    )
    pixels, codes = measured.spectra["pixels"], measured.spectra["bottleneck-128"]
    shown = {
        say.figure("pixels", "像素"): pixels[: len(codes)] / pixels[0],
        say.figure("codes, bottleneck 128", "编码，瓶颈 128"): codes / codes[0],
    }
    used = int((codes.square().cumsum(0) / codes.square().sum() < 0.99).sum()) + 1
    report.picture(
        "spectrum",
        curve(
            {name: (list(range(1, len(values) + 1)), values.tolist()) for name, values in shown.items()},
            say.figure("principal direction", "主方向"), say.figure("standard deviation, of the first", "标准差（以第一个为 1）"),
            logarithmic=True,
        ),
        f"How far the test images spread along each principal direction, as pixels and as codes of 128 numbers: {used} of "
        f"the 128 directions hold 99 % of the variance of the codes.",
        f"测试图像沿各主方向的标准差：作为像素，以及作为 128 个数的编码。128 个方向中 {used} 个包含编码方差的 99 %。",
    )  # fmt: skip


def calibration(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("What a PSNR looks like", "PSNR 看起来是怎样的")
    rows = {say.figure("original", "原图"): measured.originals}
    rows |= {f"{decibels} dB": images for decibels, images in measured.calibrated.items()}
    for name in ("autoencoder", "bottleneck-128"):
        found = measured.fidelity[name]["psnr"]
        rows[f"{measured.runs[name].figure_label(say)}, {found:.1f} dB"] = measured.outputs[name]
    report.picture(
        "psnr",
        labelled_rows(rows, measured.data.classes),
        "White noise of a given PSNR before it is cut to [0, 1], and two networks. The same number means other things: a "
        "network's errors are strokes in another place, not grain; and at 46 dB nothing is to be seen.",
        "给定 PSNR 的白噪声（截断到 [0, 1] 之前），以及两个网络。同样的数值含义不同：网络的误差是笔画移位，而不是颗粒；46 dB 时已看不出差别。",
    )


def variational(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("Drawing codes: a prior, or a density of codes", "抽取编码：先验，还是编码的分布")
    drawn = measured.drawn
    report.say(
        "An autoencoder promises nothing about the space between its codes: whoever draws from it must guess a density of "
        "codes. The variational autoencoder makes each code a cloud and pays, in nats, for every cloud that is not the one "
        "that is drawn from.",
        "自编码器对编码之间的空间没有任何保证：要从中抽样，只能猜测编码的分布。变分自编码器让每个编码成为一团云，凡与抽样所用的那一团不同，都按 nat 付出代价。",
    )
    bound = drawn.bound
    report.say(
        f"Here the VAE with two numbers has an ELBO of {bound['elbo']:.1f} nats per test image, of which the divergence from "
        f"the prior is {bound['kl']:.1f}; the likelihood is at least {-bound['nll']:.1f}. The mean image, each pixel a coin, "
        f"has {drawn.coins:.1f}. Greys are taken as they are, so these are bounds for coins that must match greys, not "
        f"comparable with numbers for pixels drawn black or white.",
        f"这里两维编码的 VAE 每张测试图像的 ELBO 为 {bound['elbo']:.1f} nat，其中与先验的散度 {bound['kl']:.1f}；似然至少为 {-bound['nll']:.1f}。"
        f"平均图像（每个像素一枚硬币）为 {drawn.coins:.1f}。灰度未二值化，因此不能与二值像素的数值相比。",
    )
    report.row("VAE: ELBO of the test images", "VAE：测试图像的 ELBO", bound["elbo"], "nats")
    report.row(
        "mean image as coins (baseline): log likelihood", "平均图像作硬币（基线）：对数似然", drawn.coins, "nats"
    )
    names = list(dict.fromkeys(of for values in drawn.values.values() for of in values))
    cells = [
        [DRAWN[of].by(say), *(f"{drawn.values[run][of]:.2f}" if of in drawn.values[run] else "–" for run in DRAWN_BY)]
        for of in names
    ]
    report.table(
        [say("codes", "编码"), *(measured.runs[run].label(say) for run in DRAWN_BY)], cells,
        f"Fréchet distance of drawn images from the test images, by {drawn.network}; densities were fitted to codes of "
        f"training images.",
        f"抽取的图像与测试图像的 Fréchet 距离，由 {drawn.network} 算得；分布拟合于训练图像的编码。",
    )  # fmt: skip
    for run in DRAWN_BY:
        label = measured.runs[run].label(say)
        report.picture(
            f"drawn-{run}", labelled_rows(drawn.pictures[run]),
            f"{label}: images from codes drawn from each density, below them real training images; none chosen.",
            f"{label}：由各分布抽取的编码解码而成，最下为真实训练图像；均未挑选。",
        )  # fmt: skip
        for of, value in drawn.values[run].items():
            if of != "floor":
                plan = measured.runs[run].plan
                report.row(f"{plan.en}, {DRAWN[of].en}: distance", f"{plan.zh}，{DRAWN[of].zh}：距离", value)
    floor = drawn.values["vae"]["floor"]
    report.row("real training images (floor): distance", "真实训练图像（下限）：距离", floor)


def published(report: StudyReport, say: Speaker, measured: Handwriting) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    rows, report.rows = report.rows, []
    comparable = _comparable(measured)
    for name, of_epochs in PUBLISHED_TRAIN_BCE.items():
        run = measured.runs[name]
        losses = {round(row["epoch"], 2): row["bce"] for row in run.history.rows}
        for epoch, value in of_epochs.items():
            if epoch in losses:
                en, zh = f"{name}: train bce, epoch {epoch}", f"{run.plan.zh}：训练 bce，epoch {epoch}"
                report.row(en, zh, losses[epoch], "nats/pixel", value, "lower", comparable)
    report.rows += rows
    if not comparable:
        data, full = measured.data.name, measured.full
        report.say(
            f"This run is {'full' if full else 'quick'} scale on {data}; the published numbers are for 100 and 120 "
            "epochs of MNIST. They stand beside the measured ones for orientation and are not held against them.",
            f"本次为{'完整' if full else '快速'}规模、数据 {data}；发表值来自 MNIST 上的 100 和 120 个 epoch，列出仅供参考，不作比较。",
            loud=True,
        )
    report.rows_table()


def _comparable(measured: Handwriting) -> bool:
    return measured.full and measured.data.name == "mnist"


def _axes(say: Speaker) -> tuple[str, str]:
    return say.figure("first number of the code", "编码第 1 维"), say.figure("second number", "编码第 2 维")


def _baselines(run: Finished) -> list[tuple[str, str, Measures]]:
    """PCA of the same code size and the mean image, as the run's own evaluation measured them, in two languages."""
    found = run.evaluation
    return [(found.names[of].en, found.names[of].zh, found.values(of)) for of in ("pca", "mean")]


def _curve(report: StudyReport, say: Speaker, run: Finished, measured: Handwriting) -> None:
    """The loss curve of a run with its learning rate, and the published points where they can be compared."""
    epochs, losses = run.series("bce", "epoch")
    _, rates = run.series("learning_rate", "epoch")
    marks = list(PUBLISHED_TRAIN_BCE[run.plan.name].items()) if _comparable(measured) else []
    images = run.history.rows[-1]["images"]
    report.picture(
        f"curve-{run.plan.name}",
        curve(
            {say.figure("training BCE", "训练 BCE"): (epochs, losses)},
            say.figure("epoch", "epoch"),
            say.figure("BCE per pixel, nats", "每像素 BCE（nat）"),
            (say.figure("learning rate", "学习率"), epochs, rates),
            marks,
            say.figure("published", "发表值"),
        ),
        f"Training loss of the {run.plan.en} network and its learning rate: BCE {losses[-1]:.6f} after "
        f"{epochs[-1]:.0f} epochs ({images:,} images) in {run.seconds:.0f} s; the rate went "
        f"from {rates[0]:g} to {rates[-1]:g}.",
        f"{run.plan.zh}的训练损失与学习率：{epochs[-1]:.0f} 个 epoch（{images:,} 张图像）后 BCE 为 "
        f"{losses[-1]:.6f}，用时 {run.seconds:.0f} 秒；学习率由 {rates[0]:g} 降到 {rates[-1]:g}。",
    )


def _cells(rows: Sequence[tuple[str, Measures]]) -> list[list[str]]:
    return [[name, *(MEASURES[key].form.format(values[key]) for key in COLUMNS)] for name, values in rows]


SECTIONS = (
    network, training, denoising, code_plane, regularised, compared, ablations, calibration, variational, published,
)  # fmt: skip
