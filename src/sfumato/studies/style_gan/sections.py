"""What the StyleGAN study tells of its runs, in the order of its report."""

from torch import Tensor

from ...data.pictures import to_picture
from ...gans.sampling import PSI
from ...reports.figures import curve, histograms, labelled_rows, lines_on_plane
from ...reports.grids import enlarged_by
from ...reports.language import Speaker
from ..study import StudyReport, left_out
from .measures import NOISES, STYLED, Maps, StyleGenerators, path_means, seconds_to

FFHQ = "StyleGAN 4.40, StyleGAN2 2.84"
PATHS_FFHQ = "StyleGAN 195.9, StyleGAN2 129.4"
LOUDEST = {"stylegan": "StyleGAN", "stylegan2": "StyleGAN2"}
LENGTHS = {
    "ppl_z": ("z, anywhere", "z，全程"), "ppl_z_end": ("z, ends", "z，端点"), "ppl_w": ("w, anywhere", "w，全程"),
    "ppl_w_end": ("w, ends", "w，端点"),
}  # fmt: skip


def drawn(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("What they draw", "所画")
    first = measured.runs["stylegan2"]
    report.say(
        f"{first.plan.fields['images']:,} real images each, but for what stands in a table of its own. Measured with "
        f"{measured.network}, on {measured.count:,} images of each.",
        f"每个系统 {first.plan.fields['images']:,} 张真实图像（另表列出者除外）。度量网络：{measured.network}，各 {measured.count:,} 张图像。",
    )
    rows = {say.figure("real", "真实"): measured.real}
    rows |= {run.figure_label(say): measured.drawn[name] for name, run in measured.runs.items()}
    report.picture("drawn", labelled_rows(rows), "Drawn after training, not chosen.", "训练后抽取，未经挑选。")
    key, cells = measured.measure, []
    for run in measured.runs.values():
        speed = run.plan.fields["images"] / max(run.seconds, 1e-9)
        cells.append([run.label(say), f"{run.evaluation.value(key):.3g}", f"{run.seconds:.0f}", f"{speed:.0f}"])
    beside = first.evaluation
    cells += [[beside.called(of, say), f"{beside.value(key, of):.3g}", "–", "–"] for of in beside.things()[1:]]
    report.table(
        ["", key, say("seconds", "秒"), say("images a second", "每秒图像数")], cells,
        "Distances to the test images, beside those of real training images, disturbed ones and their mean.",
        "与测试图像的距离，并列真实训练图像、加噪图像及平均图像的距离。",
    )  # fmt: skip
    for run in measured.runs.values():
        report.row(f"{key} of {run.plan.en}", f"{run.plan.zh} 的 {key}", run.evaluation.value(key))
    report.row(f"{key} of real training images (floor)", f"真实训练图像的 {key}（下限）", beside.value(key, "floor"))
    report.row(
        f"{key} of training images under noise σ 0.3", f"加噪声 σ 0.3 的训练图像的 {key}", beside.value(key, "noise")
    )


def growing(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("Growing, or all at once", "逐步增长，还是一开始就完整")
    series = {
        measured.runs[name].figure_label(say): seconds_to(measured.runs[name], measured.measure)
        for name in ("stylegan", "fixed")
    }
    report.picture(
        "growing", curve(series, say.figure("seconds", "秒"), measured.measure, logarithmic=True),
        "The same networks on the same number of images: distance over seconds of training. The chapter has growing two to six times as fast.",
        "同样的网络、同样多的图像：距离随训练秒数的变化。教材称增长快二至六倍。",
    )  # fmt: skip
    grown, fixed = (measured.runs[name].seconds for name in ("stylegan", "fixed"))
    report.row(
        "seconds of the fixed StyleGAN over the grown one's, on as many images",
        "相同图像数下不增长与增长的用时之比",
        fixed / grown,
    )
    reached = _time_to(series, measured)
    if reached is not None:
        report.row(
            "seconds to the worse one's best distance, fixed over grown",
            "达到较差者最佳距离的用时之比（不增长/增长）",
            reached,
        )


def _time_to(series: dict[str, tuple[list[float], list[float]]], measured: StyleGenerators) -> float | None:
    """How many times as long the network that does not grow takes to the distance that both reach."""
    if not all(seconds for seconds, _ in series.values()):
        return None
    goal = max(min(values) for _, values in series.values())
    first = [next(at for at, value in zip(*pair, strict=True) if value <= goal) for pair in series.values()]
    return first[1] / first[0] if first[0] else None


def droplets(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("Droplets", "水滴")
    report.say(
        "Normalised by the deviation of each map, a StyleGAN can smuggle loudness past the normalisation only by one place that is louder than all others: a droplet. Demodulated, nothing is divided by what was seen, and there is no reason for one. Norms over the maps at each place; the peak is the largest over the median, on average.",
        "StyleGAN 按每张特征图的标准差归一化，只有让某一处远比其他处更响，才能把强度信息带过去：这就是水滴。解调不除以实际数值，也就没有理由出现水滴。图为各处跨通道的范数；峰值为最大值与中位数之比的平均。",
    )  # fmt: skip
    for name in STYLED:
        found = measured.maps[name]
        rows = {f"{maps.side}×{maps.side}": _shown(maps, found[-1].side) for maps in found}
        report.picture(
            f"maps-{name}", labelled_rows(rows),
            f"{measured.runs[name].plan.en}: norms of the maps behind the last layer of each side, each from 0 to its largest.",
            f"{measured.runs[name].plan.zh}：各分辨率最后一层特征图的范数，各自从 0 到最大值。",
        )  # fmt: skip
        for maps in found:
            report.row(f"peak of the maps of {measured.runs[name].plan.en} at {maps.side}×{maps.side}",
                       f"{measured.runs[name].plan.zh} 在 {maps.side}×{maps.side} 的峰值", maps.peak)  # fmt: skip


def _shown(maps: Maps, side: int) -> Tensor:
    norms = maps.norms / maps.norms.amax((1, 2), keepdim=True).clamp(min=1e-9)
    times = side // maps.side
    return norms[:, None].repeat_interleave(times, 2).repeat_interleave(times, 3)


def spaces(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("z and w", "z 与 w")
    square = measured.square
    names = {"z": say.figure("lines of z", "z 的网格"), "w": say.figure("lines of w", "w 的网格")}
    report.picture(
        "square", lines_on_plane(square.points, {names[space]: lines for space, lines in square.lines.items()}),
        "A square without a corner, drawn from a disc of noise: a grid over z is bent to fit it, a grid over the learned w hardly.",
        "缺一角的方形由圆盘噪声画出：z 上的网格被弯折以适应形状，学到的 w 上的网格几乎不弯。",
    )  # fmt: skip
    for space, found in square.detours.items():
        report.row(
            f"how much longer than straight a way through {space} is on the plane",
            f"平面上沿 {space} 直线行走的弯曲倍数",
            found,
        )
    cells = []
    for name, lengths in measured.lengths.items():
        means, run = path_means(lengths), measured.runs[name]
        cells.append([run.label(say), *(f"{means[key]:.4g}" for key in LENGTHS)])
        for key, (en, zh) in LENGTHS.items():
            report.row(f"path length of {run.plan.en}: {en}", f"{run.plan.zh} 的路径长度：{zh}", means[key])
    report.table(
        ["", *(say(*words) for words in LENGTHS.values())], cells,
        f"Perceptual path lengths on {measured.network}, not on VGG-16 as published ({PATHS_FFHQ} in w, at the ends, on FFHQ): not comparable.",
        f"感知路径长度用 {measured.network}，而非发表所用的 VGG-16（FFHQ、w、端点：{PATHS_FFHQ}），不可比较。",
    )  # fmt: skip
    for name, values in measured.sorted.items():
        for key, value in values.items():
            space = key.removeprefix("separable_")
            report.row(f"separability of {measured.runs[name].plan.en} in {space} (less is better)",
                       f"{measured.runs[name].plan.zh} 在 {space} 中的可分性（越小越好）", value)  # fmt: skip


def styles(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("Styles", "样式")
    report.picture(
        "mixing", measured.mixing,
        "StyleGAN2: those at the left with the styles of those above in coarse, middle or fine layers.", "StyleGAN2：左列图像换上上方图像在粗、中、细层的样式。",
    )  # fmt: skip
    report.picture(
        "truncation", labelled_rows(dict(measured.truncated), [f"ψ {psi:g}" for psi in PSI]),
        "StyleGAN2: from the opposite (ψ -1) over the mean style (0) to itself (1); below, in the layers of one band alone.",
        "StyleGAN2：从相反样式（ψ -1）经平均样式（0）到自身（1）；下方只改变一组层。",
    )  # fmt: skip
    report.picture(
        "stochastic", measured.stochastic,
        "StyleGAN2: one style under several noises of the pixels, and where they matter.", "StyleGAN2：同一样式、不同像素噪声，以及噪声影响之处。",
    )  # fmt: skip
    rows = {say.figure(*_NOISES[kind]): measured.noises[kind][0] for kind in NOISES}
    report.picture(
        "noise",
        labelled_rows(rows),
        "StyleGAN2: the same styles under three kinds of noise.",
        "StyleGAN2：同样的样式、三种噪声。",
    )
    for kind in NOISES:
        en, zh = _NOISES[kind]
        report.row(
            f"{measured.measure} of StyleGAN2 under {en}",
            f"StyleGAN2 在{zh}下的 {measured.measure}",
            measured.noises[kind][1],
        )


_NOISES = {"fixed": ("fixed noise", "固定噪声"), "random": ("new noise", "新噪声"), "none": ("no noise", "无噪声")}


def regularised(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("Regularised now and then", "偶尔正则化")
    runs, key, cells = measured.runs, measured.measure, []
    for name in ("stylegan2", "eager", "free"):
        run = runs[name]
        speed = run.plan.fields["images"] / max(run.seconds, 1e-9)
        mean = path_means(measured.lengths[name])["ppl_w"]
        images = f"{run.plan.fields['images']:,}"
        cells.append([run.label(say), images, f"{speed:.0f}", f"{run.evaluation.value(key):.3g}", f"{mean:.4g}"])
    report.table(
        ["", say("images", "图像数"), say("images a second", "每秒图像数"), key, say("path length in w", "w 中的路径长度")], cells,
        "Lazy: R1 in every 16th step, path lengths in every 4th, each weighing as many times. Eager: in all.",
        "惰性：R1 每 16 步一次，路径长度每 4 步一次，权重相应放大；及时：每步都做。",
    )  # fmt: skip
    eager, lazy = (runs[name].seconds / runs[name].plan.fields["images"] for name in ("eager", "stylegan2"))
    report.row("seconds an image takes, eager over lazy", "每张图像用时之比（及时/惰性）", eager / max(lazy, 1e-9))
    lengths = {runs[name].figure_label(say): measured.lengths[name]["ppl_w"] for name in ("stylegan2", "free")}
    report.picture(
        "path-lengths", histograms(lengths, say.figure("path length in w", "w 中的路径长度")),
        "How long ways through w are, with path length regularisation and without.", "w 中路径的长度分布，有无路径长度正则化。",
    )  # fmt: skip


def architectures(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    if not measured.full:
        return
    report.heading("Architectures", "网络结构")
    runs = {"skip-residual": measured.runs["stylegan2"]}
    runs |= {name: run for name, run in measured.runs.items() if "generator_network" in run.plan.fields}
    cells = [
        [*name.split("-"), f"{run.evaluation.value(measured.measure):.3g}", f"{run.seconds:.0f}"]
        for name, run in runs.items()
    ]
    report.table(
        [say("generator", "生成器"), say("discriminator", "判别器"), measured.measure, say("seconds", "秒")], cells,
        "How colours leave the generator and enter the discriminator: table 2 of the paper, here after one short run each.",
        "颜色如何离开生成器、进入判别器：论文表 2，此处各训练一次，时间较短。",
    )  # fmt: skip


def sticking(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("What sticks to the screen", "粘在屏幕上的细节")
    report.say(
        "A network that grew prefers detail at fixed places: teeth stay where they are while the face turns. Here a walk goes through the same seeds; what stays of fine detail is the energy of the mean frame over the mean energy of the frames.",
        "逐步增长的网络偏爱固定位置的细节：脸转动时牙齿不动。这里沿相同的种子行走；“留下的细节”是平均帧的能量与各帧平均能量之比。",
    )  # fmt: skip
    for name in STYLED:
        run, walk = measured.runs[name], measured.walks[name]
        frames = [to_picture(frame) for frame in enlarged_by(walk.frames)]
        report.film(
            f"walk-{name}",
            frames,
            [str(index + 1) for index in range(len(frames))],
            f"{run.plan.en}: a walk in w.",
            f"{run.plan.zh}：在 w 中行走。",
        )
        report.row(
            f"share of fine detail that stays while {run.plan.en} walks",
            f"{run.plan.zh} 行走时不动的细节比例",
            walk.fine,
        )
        report.row(
            f"the same of what is coarser than 4 pixels, {run.plan.en}",
            f"同上，粗于 4 像素的部分，{run.plan.zh}",
            walk.coarse,
        )
    strips = {run.figure_label(say): measured.walks[name].frames[:: max(1, len(measured.walks[name].frames) // 10)][:10]
              for name, run in measured.runs.items() if name in STYLED}  # fmt: skip
    report.picture(
        "walks", labelled_rows(strips), "Both walks, every tenth of the way.", "两次行走，每十分之一处一帧。"
    )


def published(report: StudyReport, say: Speaker, measured: StyleGenerators) -> None:
    report.heading("Published vs. measured", "发表值与实测值")
    report.say(
        f"Published on FFHQ at 1024×1024, after 25 million images on eight GPUs, are FIDs by an Inception network: {FFHQ}. Nothing here has their data, their network or their budget, and no number here is held against them. What can be compared is the order: with and without, on the same data.",
        f"FFHQ 1024×1024 上发表的是 2,500 万张图像、八块 GPU 训练后的 FID（Inception 网络）：{FFHQ}。此处的数据、网络、训练量均不同，不与之比较。可比较的是同一数据上有无某项改动的先后。",
    )  # fmt: skip
    report.rows_table()


SECTIONS = (drawn, growing, droplets, spaces, styles, regularised, architectures, sticking, left_out, published)
