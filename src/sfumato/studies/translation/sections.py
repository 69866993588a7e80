"""What the translation study tells of its runs, in the order of its report."""

from collections.abc import Sequence

from torch import Tensor

from ...reports.figures import curve, labelled_rows
from ...reports.language import Speaker
from ..study import Finished, StudyReport, left_out
from .measures import Translations

CLASSES = 10
WHY = ("game", "cycle", "cyclegan")
WITHIN = ("cyclegan", "identity", "whole", "averaged", "poolless")
PAPERS = ("cyclegan", "discogan", "dualgan")
HIDING = ("cyclegan", "hidden", "noisy")
PUBLISHED = (
    ("CycleGAN", "Cityscapes, labels → photo", "0.52 / 0.17 / 0.11"), ("CycleGAN", "Cityscapes, photo → labels", "0.58 / 0.22 / 0.16"),
    ("pix2pix", "Cityscapes, labels → photo", "0.71 / 0.25 / 0.18"), ("pix2pix", "Cityscapes, photo → labels", "0.85 / 0.40 / 0.32"),
    ("CycleGAN", "horse → zebra, FID", "62.1 – 77.2"),
)  # fmt: skip


def why(report: StudyReport, say: Speaker, measured: Translations) -> None:
    report.heading("Why a cycle", "为什么要有循环")
    report.say(
        "A discriminator asks whether a picture could be of the other side, and not whose picture it is: a generator that answers with the same picture always can satisfy it. A cycle alone is satisfied by any code that can be undone. Together they leave what both allow. Digits in white on black and in ink on paper; whether a translation shows the digit that it was made from is read by a network that took no part in the training.",
        "判别器只问一张图像是否属于目标域，不问它来自哪张输入：生成器总给同一张图也能过关。仅有循环，则任何可逆的编码都行。两者合用，才只剩下双方都允许的。这里是黑底白字与纸上墨字；译出的是不是原来的数字，由未参与训练的识别网络判断。",
    )  # fmt: skip
    shown(report, say, measured, "why", WHY,
          "Test digits in white on black, and what each run makes of them.", "测试数字（黑底白字）及各训练的译出结果。")  # fmt: skip
    accuracies(report, say, measured, WHY)
    first = measured.runs["cyclegan"].evaluation
    report.row(
        "share of untouched digits that are read right",
        "未经翻译的数字的识别率",
        first.value("partner_to_b", "untouched"),
    )
    report.row("chance", "随机猜测", 1 / CLASSES)
    failed(report, say, measured, "cyclegan", "read as", "误读为")


def within(report: StudyReport, say: Speaker, measured: Translations) -> None:
    report.heading("Identity, patches, pools", "恒等损失、块判别、图像池")
    report.say(
        "One thing is changed at a time. Identity asks the network that makes ink to leave ink alone: where one side is the negative of the other, the same network cannot easily do both. A verdict on the whole image, in place of each patch of 16 pixels; at full scale also the mean verdict of all patches, and discriminators that are shown no older images.",
        "每次只改一处。恒等损失要求生成墨字的网络不改动墨字：当两个域互为反相时，同一网络难以兼顾。整图判别代替 16 像素的块判别；完整规模另有各块平均判别，以及不看旧图像的判别器。",
    )  # fmt: skip
    names = [name for name in WITHIN if name in measured.runs]
    shown(report, say, measured, "within", names, "As above, of these runs.", "同上，各训练的结果。")
    accuracies(report, say, measured, names)
    for name in names[:2]:
        there, back = measured.ways[name].shift
        run = measured.runs[name]
        report.row(
            f"mean shift of colour to B, {run.plan.en}", f"{run.plan.zh}：译为 B 的平均颜色移动", there, "levels"
        )
        report.row(f"mean shift of colour to A, {run.plan.en}", f"{run.plan.zh}：译为 A 的平均颜色移动", back, "levels")


def papers(report: StudyReport, say: Speaker, measured: Translations) -> None:
    report.heading("Three papers of one year", "同一年的三篇论文")
    report.say(
        "CycleGAN translates by residual blocks and goes by patches; DiscoGAN squeezes a picture through a map of 4×4 and judges whole images; DualGAN plays Wasserstein's game with U-Nets. Distance over seconds of training: where curves are compared at the same second, all have had equal time.",
        "CycleGAN 用残差块并按块判别；DiscoGAN 把图像压到 4×4 并整图判别；DualGAN 用 U-Net 玩 Wasserstein 博弈。图为距离随训练秒数的变化：在同一秒比较即为同等时间。",
    )  # fmt: skip
    for side in ("b", "a"):
        series = {measured.runs[name].figure_label(say): seconds_of(measured.runs[name], side) for name in PAPERS}
        report.picture(
            f"papers-to-{side}", curve(series, say.figure("seconds", "秒"), f"Fréchet, {side.upper()}", logarithmic=True),
            f"Fréchet distance of translations to side {side.upper()} on the way.", f"训练途中译为 {side.upper()} 域的 Fréchet 距离。",
        )  # fmt: skip
    shown(report, say, measured, "papers", PAPERS, "As above, of these systems.", "同上，各系统的结果。")
    accuracies(report, say, measured, PAPERS[1:])
    least = min(measured.runs[name].seconds for name in PAPERS)
    for name in PAPERS:
        run = measured.runs[name]
        seconds, distances = seconds_of(run, "b")
        there = [distance for second, distance in zip(seconds, distances, strict=True) if second <= least] or distances[
            :1
        ]
        report.row(
            f"Fréchet to B of {run.plan.en} after the shortest one's time",
            f"{run.plan.zh} 在最短用时内的 Fréchet（到 B）",
            there[-1],
        )


def hiding(report: StudyReport, say: Speaker, measured: Translations) -> None:
    report.heading("What a cycle hides", "循环藏了什么")
    report.say(
        f"Black and white say nothing of the lines on the paper. The cycle punishes their loss, so they are worth hiding in what nobody sees. The translation to black and white is disturbed a little before it goes back: what is visible survives, what is hidden does not. {measured.runs['noisy'].plan.en} had noise of {measured.runs['noisy'].plan.fields['cycle_noise']:g} levels within the cycle while it was trained. Both weigh the cycle with {measured.runs['noisy'].plan.fields['cycle']:g}, not with 10.",
        "黑白图像并不含纸上的线条。循环损失惩罚这种丢失，于是把线条藏进看不见之处就有利可图。把黑白译图略加扰动再译回：看得见的留存，藏着的丢失。“加噪”一项训练时循环内有噪声。",
    )  # fmt: skip
    if not measured.full:
        report.say(
            "Hiding takes time: the few images of the quick scale are only the beginning of it.",
            "隐藏需要时间：快速规模的图像太少，只见其开端。",
        )
    rows: dict[str, Tensor] = {}
    for name, (made, fine) in measured.faint.items():
        label, ways = measured.runs[name].figure_label(say), measured.ways[name]
        rows |= {
            f"{label}: B": ways.b[0], f"{label}: B → A": made, f"{label}: ×32": fine, f"{label}: B → A → B": ways.b[2],
        }  # fmt: skip
    report.picture("hiding", labelled_rows(rows),
                   "Digits on ruled paper, their translations, what is finer in these than a blur of 3 pixels, enlarged 32 times, and the way back.",
                   "条纹纸上的数字、译图、译图中比 3 像素模糊更细的成分（放大 32 倍）、译回结果。")  # fmt: skip
    names = list(measured.probes["hidden"])
    head = [say("disturbance", "扰动"), *(measured.runs[name].label(say) for name in HIDING), say("alone", "扰动本身")]
    cells = [
        [name, *(f"{measured.probes[run][name][0]:.2f}" for run in HIDING), f"{measured.probes['hidden'][name][1]:.2f}"]
        for name in names
    ]
    report.table(head, cells, "PSNR in dB of B → A → B, its middle disturbed; at the right, of the disturbance itself, on the run on ruled paper.",
                 "B → A → B 的 PSNR（dB），中间结果受扰动；右列为扰动本身（条纹纸一项）。")  # fmt: skip
    for name in HIDING:
        run, probe = measured.runs[name], measured.probes[name]
        report.row(f"PSNR of B → A → B, {run.plan.en}", f"{run.plan.zh}：B → A → B 的 PSNR", probe["nothing"][0], "dB")
        for disturbance in ("8 bits", "JPEG 75", "noise 4"):
            lost = probe["nothing"][0] - probe[disturbance][0]
            report.row(
                f"dB of it lost by {disturbance}, {run.plan.en}", f"{run.plan.zh}：因 {disturbance} 损失", lost, "dB"
            )
        report.row(
            f"finer than a blur in B → A, {run.plan.en}",
            f"{run.plan.zh}：译图中的细微成分",
            measured.fine[name],
            "levels",
        )
    report.row("finer than a blur in real A", "真实 A 域图像中的细微成分", measured.fine["real"], "levels")


def pictures(report: StudyReport, say: Speaker, measured: Translations) -> None:
    for name, en, zh in (
        ("pictures", "Two kinds of pictures", "两类图像"),
        ("pairs", "Pairs, never shown as pairs", "成对图像（训练时不成对）"),
    ):
        if name not in measured.runs:
            continue
        run = measured.runs[name]
        report.heading(f"{en}: {run.plan.en}", f"{zh}：{run.plan.zh}")
        for way, names in (("a", "A → B → A"), ("b", "B → A → B")):
            rows = ways_rows(say, getattr(measured.ways[name], way))
            report.picture(f"{name}-{way}", labelled_rows(rows), f"Test pictures, {names}.", f"测试图像，{names}。")
        report.evaluation(run.evaluation)
        of_run(report, run)
        beside = f"{name}-identity"
        for other in (name, beside):
            there, back = measured.ways[other].shift
            plan = measured.runs[other].plan
            report.row(f"mean shift of colour to B, {plan.en}", f"{plan.zh}：译为 B 的平均颜色移动", there, "levels")
            report.row(f"mean shift of colour to A, {plan.en}", f"{plan.zh}：译为 A 的平均颜色移动", back, "levels")
        failed(report, say, measured, name, "error in levels", "误差（灰度级）")


def published(report: StudyReport, say: Speaker, measured: Translations) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    report.table(
        [say("system", "系统"), say("task", "任务"), say("published", "发表值")], [list(row) for row in PUBLISHED],
        "Per-pixel accuracy, per-class accuracy and IoU of an FCN that reads the photographs (or of the maps), at 256×256 after 200 epochs; FID by Inception. Other data, sizes, networks and measures than here: nothing of it can be compared, and nothing is.",
        "由 FCN 读图（或按标签图）得到的逐像素准确率、类别准确率与 IoU，256×256，200 轮；FID 用 Inception。数据、尺寸、网络、度量均与此处不同，不作比较。",
    )  # fmt: skip
    report.rows_table()


def shown(
    report: StudyReport, say: Speaker, measured: Translations, name: str, runs: Sequence[str], en: str, zh: str
) -> None:
    """A figure: inputs of both sides, and what each run makes of them."""
    first = measured.ways[runs[0]]
    rows = {"A": first.a[0]}
    rows |= {f"{measured.runs[run].figure_label(say)} → B": measured.ways[run].a[1] for run in runs}
    rows |= {"B": first.b[0]}
    rows |= {f"{measured.runs[run].figure_label(say)} → A": measured.ways[run].b[1] for run in runs}
    report.picture(name, labelled_rows(rows), en, zh)


def ways_rows(say: Speaker, ways: Sequence[Tensor]) -> dict[str, Tensor]:
    names = (say.figure("input", "输入"), say.figure("translated", "译出"), say.figure("and back", "译回"))
    return dict(zip(names, ways, strict=True))


def accuracies(report: StudyReport, say: Speaker, measured: Translations, names: Sequence[str]) -> None:
    """A table of what was measured of runs on digits, and rows of it."""
    keys = ("partner_to_b", "partner_to_a", "frechet_to_b", "frechet_to_a", "cycle_a", "cycle_b")
    head = ["", say("digit kept, to B", "数字保持，到 B"), say("digit kept, to A", "数字保持，到 A"), "Fréchet, B", "Fréchet, A",
            "A → B → A, dB", "B → A → B, dB", say("seconds", "秒")]  # fmt: skip
    cells = []
    for name in names:
        run = measured.runs[name]
        values = [run.evaluation.value(key) for key in keys]
        cells.append(
            [
                run.label(say),
                *(f"{value:.1%}" for value in values[:2]),
                *(f"{value:.2f}" for value in values[2:]),
                f"{run.seconds:.0f}",
            ]
        )
    report.table(head, cells, "On held-out digits.", "在未参与训练的数字上。")
    told = {row.name.en for row in report.rows}
    for name in names:
        if f"digits kept by {measured.runs[name].plan.en}, to B" in told:
            continue
        run = measured.runs[name]
        for side in ("b", "a"):
            report.row(
                f"digits kept by {run.plan.en}, to {side.upper()}", f"{run.plan.zh} 保持的数字比例，到 {side.upper()}",
                run.evaluation.value(f"partner_to_{side}"),
            )  # fmt: skip
            report.row(
                f"Fréchet to {side.upper()} of {run.plan.en}", f"{run.plan.zh} 的 Fréchet，到 {side.upper()}",
                run.evaluation.value(f"frechet_to_{side}"),
            )  # fmt: skip


def of_run(report: StudyReport, run: Finished) -> None:
    """Rows of both directions, beside what needs no network."""
    found = run.evaluation
    for row in found.rows:
        if row.key.startswith(("frechet", "l1", "ssim", "labels")) and row.value is not None:
            report.row(
                f"{row.key} of {run.plan.en}, {found.called(row.of)}", f"{run.plan.zh}：{row.key}，{row.of}", row.value
            )


def failed(report: StudyReport, say: Speaker, measured: Translations, name: str, en: str, zh: str) -> None:
    found = measured.failures[name]
    if not len(found.inputs):
        return
    rows = {say.figure("input", "输入"): found.inputs, say.figure("translated", "译出"): found.made}
    if found.real is not None:
        rows[say.figure("true partner", "真实对应")] = found.real
    report.picture(
        f"failed-{name}", labelled_rows(rows, found.words), f"The worst of {measured.runs[name].plan.en}; above, {en}.",
        f"{measured.runs[name].plan.zh} 最差的结果；上方为{zh}。",
    )  # fmt: skip


def seconds_of(run: Finished, side: str) -> tuple[list[float], list[float]]:
    """Seconds of training, and the distance on the way."""
    rows = [row for row in run.history.measures if f"frechet_to_{side}" in row and "seconds" in row]
    return [row["seconds"] for row in rows], [row[f"frechet_to_{side}"] for row in rows]


SECTIONS = (why, within, papers, hiding, pictures, left_out, published)
