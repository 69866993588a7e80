"""What the adversarial study tells of its runs, in the order of its report."""

from ...gans.family import BELIEFS, beliefs_curve
from ...reports.document import opened
from ...reports.figures import curve, labelled_rows
from ...reports.language import Speaker
from ...runs.page import losses_curve
from ..study import StudyReport, left_out, notice
from . import theory
from .measures import SHOWN, SLOPES, AdversarialNetworks, distance
from .plans import R1

PUBLISHED_FID = "GAN 9.8, NSGAN 6.8, LSGAN 7.8, WGAN 6.7, WGAN-GP 20.3"
MEASURED = (
    ("fcd", "Fréchet classifier distance of {}", "{} 的 Fréchet 分类器距离"),
    ("covered", "kinds of digits that {} draws", "{} 画出的数字类别数"),
    ("entropy", "entropy of the digits of {}, as a share of the real", "{} 数字分布的熵与真实之比"),
    ("confident", "share of {}'s digits read with confidence", "{} 的数字被确信识别的比例"),
)
ON_PICTURES = {
    "frechet": ("Fréchet", "Fréchet 距离"),
    "kernel": ("kernel", "核距离"),
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "density": ("density", "密度"),
    "coverage": ("coverage", "覆盖率"),
}


def digits(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    names, first, count = measured.digits, measured.runs[measured.digits[0]], measured.count
    report.heading("Digits: the same images for each", "数字：各系统使用同样多的图像")
    images, half_life = (first.plan.fields[key] for key in ("images", "half_life"))
    report.say(
        f"{images:,} real images each: systems whose critic is trained five times as often make a fifth of the generator's "
        f"updates. All draw with the average of their generator, half of which is {half_life:,} images old or less. R1 has the weight {R1:g}. Measured with {measured.network}, on {count:,} images of each.",
        f"每个系统使用 {images:,} 张真实图像：判别器训练次数为五倍的系统，生成器的更新次数只有五分之一。均使用生成器的滑动平均（半衰期 {half_life:,} 张图像）。R1 的权重为 {R1:g}。度量网络：{measured.network}，各 {count:,} 张图像。",
    )
    rows = {say.figure("real", "真实"): measured.real[0]}
    rows |= {measured.runs[name].figure_label(say): measured.drawn[name] for name in names}
    report.picture("digits", labelled_rows(rows), "Drawn after training, not chosen.", "训练后抽取，未经挑选。")
    series = {}
    for name in names:
        on_the_way = measured.runs[name].history.measures
        series[measured.runs[name].figure_label(say)] = (
            [row["images"] for row in on_the_way],
            [row["fcd"] for row in on_the_way],
        )
    report.picture(
        "fcd", curve(series, say.figure("real images", "真实图像数"), "FCD", logarithmic=True),
        "The Fréchet classifier distance on the way (2,000 images at most).", "训练过程中的 Fréchet 分类器距离（至多 2,000 张图像）。",
    )  # fmt: skip
    _digits_table(report, say, measured)
    for name in names:
        _doctor(report, measured, name)
    _film(report, say, measured, measured.best, "digits-film")
    _walk(report, say, measured, measured.best, "digits-walk")
    _digits_rows(report, measured)


def _digits_table(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    cells = []
    for name in measured.digits:
        run = measured.runs[name]
        over = run.evaluation.more["over_the_run"]
        best = f"{over['best']:.3g} ({over['best_at']:,})" if over else "–"
        cells.append([run.label(say), *_cells(run.evaluation.values(), best), f"{run.seconds:.0f}"])
    beside = measured.runs[measured.digits[0]].evaluation
    cells += [[beside.called(of, say), *_cells(beside.values(of), "–"), "–"] for of in beside.things()[1:]]
    report.table(
        ["", "FCD", say("best on the way, of 2,000", "途中最佳（2,000 张）"), say("kernel", "核距离"), say("score", "分类器得分"),
         say("entropy", "熵"), say("digits", "类别"), say("confident", "确信"), say("seconds", "秒")],
        cells,
        "FCD and kernel distance: to the test images. Score: up to 10. Entropy: of the digits drawn, as a share of the real one. Confident: read with 0.9 or more.",
        "FCD 与核距离：与测试图像之间。得分：至多 10。熵：所画数字分布的熵与真实之比。确信：识别置信度不低于 0.9。",
    )  # fmt: skip


def _cells(row: dict[str, float], best: str) -> list[str]:
    return [
        f"{row['fcd']:.3g}", best, f"{row['kernel']:.4f}", f"{row['score']:.2f}", f"{row['entropy']:.1%}", f"{row['covered']:.0f}",
        f"{row['confident']:.1%}",
    ]  # fmt: skip


def _digits_rows(report: StudyReport, measured: AdversarialNetworks) -> None:
    for key, en, zh in MEASURED:
        for name in measured.digits:
            run = measured.runs[name]
            report.row(en.format(run.plan.en), zh.format(run.plan.zh), run.evaluation.value(key))
    best = measured.runs[measured.best]
    floor, noisy = (best.evaluation.value("fcd", of) for of in ("floor", "noise"))
    report.row("FCD of real training images (floor)", "真实训练图像的 FCD（下限）", floor)
    report.row("FCD of training images under noise σ 0.3", "加噪声 σ 0.3 的训练图像的 FCD", noisy)
    report.row("share of real test images read with confidence", "真实测试图像被确信识别的比例", measured.confident)
    report.row(f"where the best ({best.plan.en}) stands between floor (0) and noise (1)",
               f"最佳系统（{best.plan.zh}）在下限（0）与噪声（1）之间的位置", (distance(best) - floor) / (noisy - floor))  # fmt: skip


def _doctor(report: StudyReport, measured: AdversarialNetworks, name: str) -> None:
    run = measured.runs[name]
    for found in measured.findings[name]:
        report.say(f"{run.plan.en}: {found.en}", f"{run.plan.zh}：{found.zh}")


def _film(report: StudyReport, say: Speaker, measured: AdversarialNetworks, name: str, figure: str) -> None:
    run = measured.runs[name]
    labels = [say(f"{int(path.stem):,} images", f"{int(path.stem):,} 张图像") for path in run.history.looks]
    report.film(
        figure, [opened(path) for path in run.history.looks], labels,
        f"{run.label(say)} on the way, from the same noise each time.", f"{run.label(say)} 的训练过程，每次用同样的噪声。",
    )  # fmt: skip


def _walk(report: StudyReport, say: Speaker, measured: AdversarialNetworks, name: str, figure: str) -> None:
    label = measured.runs[name].label(say)
    report.picture(
        figure, labelled_rows({" " * row: images for row, images in enumerate(measured.walks[name])}),
        f"{label}: from one drawn image to another, along the great circle between their noise.",
        f"{label}：沿噪声之间的大圆，从一张图像走到另一张。",
    )  # fmt: skip


def conditional(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("Digits on demand", "按要求画数字")
    classes = measured.data.classes
    for key, drawn in measured.conditional.items():
        run = measured.runs[key]
        rows = {name: drawn[index :: len(classes)] for index, name in enumerate(classes[:SHOWN])}
        report.picture(
            key, labelled_rows(rows), f"{run.plan.en}: a row for each label.", f"{run.plan.zh}：每行一个标签。"
        )
        if measured.right is not None:
            asked = run.evaluation.value("accuracy")
            report.row(
                f"share of the digits of {run.plan.en} read as asked for", f"{run.plan.zh} 按要求画出的比例", asked
            )
    if measured.right is not None:
        report.row("share of real test digits read right", "真实测试数字的识别正确率", measured.right)


def slopes(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("How steep the critics are", "判别器有多陡")
    cells = []
    for name, (mean, largest) in measured.slopes.items():
        run = measured.runs[name]
        bound = measured.bounds[name]
        cells.append([run.label(say), f"{mean:.3g}", f"{largest:.3g}", "–" if bound is None else f"{bound:.3g}"])
        report.row(f"largest slope of the critic of {run.plan.en}", f"{run.plan.zh} 判别器的最大斜率", largest)
    report.table(
        ["", say("mean slope", "平均斜率"), say("largest slope", "最大斜率"), say("product of the layers' norms", "各层范数之积")], cells,
        f"Norm of the logit's gradient at {SLOPES:,} points at most, between test images and drawn ones: an estimate from below of the Lipschitz constant. The product of the spectral norms of fully connected layers bounds it from above. WGAN-GP holds it near 1; spectral normalisation keeps it below 1 where the layers are linear.",
        f"测试图像与所画图像之间至多 {SLOPES:,} 点处 logit 梯度的范数：Lipschitz 常数的下界估计；全连接各层谱范数之积为其上界。WGAN-GP 使其接近 1，谱归一化在线性层构成的网络中使其低于 1。",
    )  # fmt: skip


def pictures(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    run, data = measured.runs["dcgan"], measured.pictures
    report.heading(f"A DCGAN on {data.name}", f"DCGAN：{data.name}")
    notice(report, data)
    rows = run.history.rows
    images, seconds = rows[-1]["images"], run.seconds
    report.picture(
        "dcgan-losses", losses_curve(rows, BELIEFS),
        f"Losses over {images:,} images in {seconds:.0f} s.", f"{images:,} 张图像上的损失，{seconds:.0f} 秒。",
    )  # fmt: skip
    report.picture(
        "dcgan-beliefs", beliefs_curve(rows),
        "What the discriminator gives real and made images, before and after its update.", "判别器对真实与生成图像的判断，更新前后。",
    )  # fmt: skip
    _film(report, say, measured, "dcgan", "dcgan-film")
    both = {say.figure("real", "真实"): measured.real[1], say.figure("drawn", "所画"): measured.drawn["dcgan"]}
    lines = {
        f"{name}{' ' * line}": part for name, sheet in both.items() for line, part in enumerate(sheet.split(SHOWN))
    }
    report.picture("beside", labelled_rows(lines), "Real above, drawn below, not chosen.", "上为真实，下为所画，未经挑选。")  # fmt: skip
    _walk(report, say, measured, "dcgan", "dcgan-walk")
    found = run.evaluation
    report.table(
        ["", *(say(en, zh) for en, zh in ON_PICTURES.values())],
        [[found.called(of, say), *(f"{found.value(key, of):.3f}" for key in ON_PICTURES)] for of in found.things()],
        f"{found.images:,} images of each; network: {found.network}.", f"各 {found.images:,} 张图像；网络：{found.network}。",
    )  # fmt: skip
    _doctor(report, measured, "dcgan")
    for of, en, zh in (
        ("ours", "DCGAN's pictures", "DCGAN 所画"),
        ("floor", "real training pictures (floor)", "真实训练图像（下限）"),
    ):
        for key in ("frechet", "kernel", "precision", "recall"):
            report.row(f"{key} of {en}", f"{ON_PICTURES[key][1]}，{zh}", found.value(key, of))


def published(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    report.say(
        f"Published on MNIST are FIDs, by an Inception network and after a wide search (Lucic et al. 2018): {PUBLISHED_FID}. "
        "They are in another unit than the Fréchet classifier distances here and cannot be compared with them. Beside "
        "closed forms stands what was computed or learnt here.",
        f"MNIST 上发表的是 FID，用 Inception 网络并经大规模搜索（Lucic 等 2018）：{PUBLISHED_FID}。其单位与此处的 Fréchet 分类器距离不同，不可比较。闭式解旁是此处计算或学到的值。",
    )
    report.rows_table()


SECTIONS = (*theory.SECTIONS, digits, conditional, slopes, pictures, left_out, published)
