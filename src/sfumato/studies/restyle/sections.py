"""What the restyle study tells, in the order of its report."""

import torch

from ...reports.figures import curve, labelled_rows, png_of
from ...reports.grids import grid
from ...reports.language import Speaker
from ..study import StudyReport, left_out
from .measures import COHERENCE, RATE, SNAPSHOTS, STRENGTHS, Race, Restyle

PUBLISHED_STEPS = 50  # at which optimisation reaches AdaIN's style loss: "between 50 and 100"
PUBLISHED_FPS = {256: 56.0, 512: 15.0}  # on a Titan X, the style encoded before


def styles(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    known = measured.styles
    report.say(
        f"Styles: {known.name}, {len(known.train):,} to train on and {len(known.test):,} held out.",
        f"风格：{known.name}，训练 {len(known.train):,} 张，留出 {len(known.test):,} 张。",
    )


def training(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    run = measured.runs["adain"]
    report.heading("Training", "训练")
    size = run.history.config["batch_size"]
    steps = [images / size for images in run.series("loss")[0]]
    names = {"loss": say.figure("total", "总损失"), "content": say.figure("content", "内容损失"),
             "style": say.figure("style", "风格损失")}  # fmt: skip
    series = {label: (steps, run.series(key)[1]) for key, label in names.items()}
    report.picture(
        "curves",
        curve(series, say.figure("steps", "步数"), say.figure("loss", "损失")),
        f"Means per interval over {steps[-1]:,.0f} steps of {size} "
        f"pairs, {run.seconds:.0f} s. Losses are relative squared errors in the frozen encoder: 0 is equal, "
        f"1 as good as nothing; the style's is a sum over four layers.",
        f"共 {steps[-1]:,.0f} 步，每步 {size} 对，{run.seconds:.0f} 秒。损失为固定编码器特征的相对平方误差：0 为相同，1 等于什么也没有；风格损失是四层之和。",
    )
    found = run.evaluation
    for of, words in found.names.items():
        for key, zh in (("content", "内容损失"), ("style", "风格损失")):
            report.row(f"{key} loss, held-out pairs, {words.en}", f"{zh}，留出图像对，{words.zh}", found.value(key, of))


def snapshots(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("How it learns", "学习过程")
    headings = [say.figure("content", "内容"), say.figure("style", "风格"), *(f"{percent} %" for percent in SNAPSHOTS)]
    report.picture(
        "snapshots",
        labelled_rows({"": measured.pictures.snapshots}, headings),
        "The same pair after 10, 50, 80 and 100 % of the training.",
        "同一对图像，训练 10%、50%、80%、100% 之后。",
    )


def photographs(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("Two photographs, one style", "两张照片，同一风格")
    content, own, shipped = measured.pictures.photographs
    rows = {
        say.figure("photograph", "照片"): content,
        say.figure("trained here", "本次训练"): own,
        say.figure("shipped", "随包附带"): shipped,
        say.figure("style", "风格"): measured.pictures.style[None],
    }
    report.picture(
        "photographs", labelled_rows(rows),
        "By the network trained here, and by the one that comes with the package.", "本次训练的网络与随包附带的网络。",
    )  # fmt: skip


def paint(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("Paint", "笔触")
    made = measured.paint
    blank = torch.ones_like(made.contents[:1])
    cells = [blank, made.styles]
    for content, row in zip(made.contents, made.rows, strict=True):
        cells += [content[None], row]
    report.picture(
        "sheet",
        png_of(grid(torch.cat(cells), 1 + len(made.styles), ground=1.0)),
        "Held-out contents in held-out styles, by the network that comes with the package, pixel for pixel.",
        "留出内容图取留出风格，由随包附带的网络生成，逐像素显示。",
    )
    names = {
        "content": say.figure("content", "内容"), "style": say.figure("style", "风格"),
        "network": say.figure("network", "网络"), "fine": say.figure("fine", "fine"),
        "strokes": say.figure("strokes", "逐笔"),
    }  # fmt: skip
    report.picture(
        "strokes",
        labelled_rows({"": torch.stack([*made.by_method.values()])}, [names[name] for name in made.by_method]),
        f"One pair: by the network; worked out by `--preset fine` in {made.seconds['fine']:.0f} s; stroke by stroke from the "
        f"content by `--method gatys` in {made.seconds['strokes']:.0f} s.",
        f"同一对图像：网络；`--preset fine` 继续优化，{made.seconds['fine']:.0f} 秒；`--method gatys` 从内容图逐笔优化，{made.seconds['strokes']:.0f} 秒。",
    )
    about = {"patches": ("distance of patches to the style", "与风格的图块距离"),
             "texture": ("the same less their mean", "去均值后的图块距离"),
             "checkers": ("share of checks over the style's", "棋盘纹占比（相对风格）")}  # fmt: skip
    for name, values in made.measured.items():
        for key, (en, zh) in about.items():
            report.row(f"{en}, {name}", f"{zh}，{names[name]}", values[key])
    report.say(
        "Distances of 5×5 patches of colour, sliced, over three scales: no network takes part. They do not see brushwork.",
        "5×5 彩色图块的切片 Wasserstein 距离，三个尺度平均，不经任何网络；它看不见笔触。",
    )


def strengths(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("Strength", "风格强度")
    report.picture(
        "strengths",
        labelled_rows({"α": measured.pictures.strengths}, [f"{strength:g}" for strength in STRENGTHS]),
        f"α from 0 to 1, by {_maker(say, measured)}.",
        f"α 从 0 到 1，{_maker(say, measured)}。",
    )


def _maker(say: Speaker, measured: Restyle) -> str:
    if measured.full:
        return say("the network trained here", "本次训练的网络")
    return say("the network that comes with the package", "随包附带的网络")


def corners(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("Four styles at the corners of a square", "正方形四角的四种风格")
    maker = _maker(say, measured)
    report.picture(
        "corners",
        labelled_rows({" " * down: row for down, row in enumerate(measured.pictures.corners)}),
        f"Statistics blended bilinearly, by {maker}.",
        f"统计量双线性混合，{maker}。",
    )


def optimisation(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("By optimisation", "优化方法")
    made = measured.painted
    steps, size = len(made.terms["style"]), f"{made.height}×{made.width}"
    ours = say("our own encoder (VGG-19's weights are not here)", "我们的编码器（没有 VGG-19 权重）")
    name = "VGG-19" if made.vgg else ours
    names = {"content": say.figure("content", "内容"), "style": say.figure("style", "风格"),
             "variation": say.figure("total variation", "全变分")}  # fmt: skip
    series = {label: (range(1, steps + 1), made.terms[key]) for key, label in names.items()}
    about = say(
        f"The textbook's recipe `d2l` on {name}, {steps} steps at {size} in {made.seconds:.0f} s",
        f"教科书配方 `d2l`，网络为{name}，{size}，{steps} 步，{made.seconds:.0f} 秒",
    )
    report.picture(
        "optimisation-curves",
        curve(series, say.figure("steps", "步数"), say.figure("weighted loss", "加权损失")),
        f"{about}: its three terms.",
        f"{about}：三项损失。",
    )
    report.picture(
        "optimisation",
        labelled_rows({"": torch.stack([*made.shown.values()])}, [f"{step}" for step in made.shown]),
        f"{about}: the picture as it changes.",
        f"{about}：图像的变化。",
    )
    report.row(f"seconds per step of d2l at {size}", f"d2l 每步秒数，{size}", made.seconds / steps, "s")


def against_optimisation(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("One pass against many steps", "一次前向与多步优化")
    race = measured.race
    _comparison(report, say, race, measured.data.shape[1])
    content, style = race.passed
    last = max(race.by_step)
    report.row("content loss of AdaIN, held out", "AdaIN 的内容损失（留出）", content)
    report.row("style loss of AdaIN, held out", "AdaIN 的风格损失（留出）", style)
    for step, (content_after, style_after) in race.by_step.items():
        report.row(f"content loss after {step} steps", f"{step} 步后的内容损失", content_after)
        report.row(f"style loss after {step} steps", f"{step} 步后的风格损失", style_after)
    report.row("seconds per picture, AdaIN, style included", "每张秒数，AdaIN（含风格编码）", race.pass_seconds, "s")
    report.row(f"seconds per picture, {last} steps", f"每张秒数，{last} 步", race.steps_seconds, "s")
    reached = next((step for step, (_, after) in race.by_step.items() if after <= style), None)
    if reached is not None:
        report.row(
            "steps after which optimisation has AdaIN's style loss", "优化达到 AdaIN 风格损失所需步数", reached, "steps",
            PUBLISHED_STEPS, "higher", comparable=False,
        )  # fmt: skip
    else:
        report.say(f"Optimisation did not reach AdaIN's style loss within {last} steps.", f"{last} 步内优化没有达到 AdaIN 的风格损失。")  # fmt: skip
    for side, per_second in measured.speeds.items():
        report.row(
            f"pictures of {side}² per second, with the style", f"每秒 {side}² 图像数（含风格编码）", per_second,
            "1/s", PUBLISHED_FPS[side], "higher", comparable=False,
        )  # fmt: skip


def _comparison(report: StudyReport, say: Speaker, race: Race, side: int) -> None:
    steps, series = list(race.by_step), {}
    for index, (en, zh) in enumerate((("content", "内容"), ("style", "风格"))):
        losses = [race.by_step[step][index] for step in steps]
        series[say.figure(f"optimisation, {en}", f"优化，{zh}")] = (steps, losses)
        series[say.figure(f"AdaIN, {en}", f"AdaIN，{zh}")] = ((steps[0], steps[-1]), (race.passed[index],) * 2)
    report.picture(
        "comparison",
        curve(series, say.figure("steps", "步数"), say.figure("loss", "损失")),
        f"Mean over {race.pairs} held-out pairs at {side}²: the network trained here in one pass, and Adam (rate {RATE}) from "
        f"the content under the same losses. The paper finds AdaIN's style loss near that of 50 to 100 steps.",
        f"{race.pairs} 对留出图像（{side}²）的平均：本次训练的网络一次前向，以及相同损失下从内容图出发的 Adam（学习率 {RATE}）。论文中 AdaIN 的风格损失接近 50 到 100 步优化。",
    )


def frames(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("Frames", "视频帧")
    film, maker = measured.film, _maker(say, measured)
    report.picture(
        "frames",
        labelled_rows({say.figure("filmed", "原帧"): film.filmed, say.figure("restyled", "风格化"): film.shown}),
        f"A window that moves over a bundled photograph, {film.count} frames, by {maker}; {COHERENCE} of the frame before, "
        f"warped, is mixed in where the optical flow can be trusted. Warp error {film.coherent:.5f}, each frame for itself "
        f"{film.alone:.5f}.",
        f"在自带照片上移动的窗口，{film.count} 帧，{maker}；在光流可信处混入 {COHERENCE} 的前一帧（变形后）。变形误差 {film.coherent:.5f}，逐帧独立为 {film.alone:.5f}。",
    )
    report.row("warp error, coherent", "变形误差，连贯", film.coherent)
    report.row("warp error, each frame for itself", "变形误差，逐帧独立", film.alone)


def published(report: StudyReport, say: Speaker, measured: Restyle) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    report.rows_table()


SECTIONS = (
    styles, training, snapshots, photographs, paint, strengths, corners, optimisation, against_optimisation, frames, left_out,
    published,
)  # fmt: skip
