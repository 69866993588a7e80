"""What the adversarial study tells of the theory, in the order of its report."""

from collections.abc import Mapping
from math import log

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...ops.divergences import gaussian
from ...reports.figures import ACCENT, FAINT, INK, contours, curve
from ...reports.language import Speaker
from ..study import StudyReport
from .experiments import FLAT, GRID, MODES, PEAK_STD, PEAKS, SHIFTS, TOY_SHOWN
from .measures import AdversarialNetworks

PANEL, TITLE, ACROSS = 210, 26, 3  # pixels of a panel and of its title, panels in a row
DARK = 3  # points that make a pixel black
SHAPES = {"ring": ("ring", "环"), "lattice": ("square", "方阵")}


def distances(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("Two Gaussians moving apart", "两个高斯分布逐渐远离")
    values, slopes, shifts = measured.theory.distances, measured.theory.gradients, SHIFTS.tolist()
    names = {"js": say.figure("Jensen-Shannon", "JS 散度"), "w": say.figure("Wasserstein", "Wasserstein 距离")}
    apart = say.figure("distance of the means", "均值之差")
    report.picture(
        "apart",
        curve({names[key]: (shifts, values[key]) for key in names}, apart, say.figure("distance", "距离"), rising=True),
        "Between N(0, 1) and N(θ, 1): the Jensen-Shannon divergence is flat at log 2, the Wasserstein distance is θ.",
        "N(0, 1) 与 N(θ, 1) 之间：JS 散度趋于 log 2 后不再变化，Wasserstein 距离等于 θ。",
    )  # fmt: skip
    report.picture(
        "apart-gradients",
        curve({names[key]: (shifts, slopes[key]) for key in names}, apart, say.figure("gradient for θ", "对 θ 的梯度"), rising=True),
        "The gradient that each gives a generator which can move θ: none far away, or 1 everywhere.",
        "二者给能移动 θ 的生成器的梯度：远处几乎为零，或处处为 1。",
    )  # fmt: skip
    js, w = values["js"][-1], values["w"][-1]
    report.row("Jensen-Shannon divergence at distance 10 (log 2)", "距离 10 处的 JS 散度（log 2）", js, "nats", round(log(2), 6))  # fmt: skip
    report.row("Wasserstein distance at distance 10", "距离 10 处的 Wasserstein 距离", w, "", 10.0)
    report.row("gradient of Jensen-Shannon at distance 10", "距离 10 处 JS 的梯度", slopes["js"][-1])
    report.row("gradient of Wasserstein at distance 10", "距离 10 处 Wasserstein 的梯度", slopes["w"][-1], "", 1.0)


def one_for_two(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("One Gaussian for a mixture", "用一个高斯拟合混合分布")
    fits = measured.theory.fits
    shown = (GRID > -6) & (GRID < 6)
    x = GRID[shown].tolist()
    series = {say.figure("mixture", "混合分布"): (x, measured.theory.mixture[shown].tolist())}
    names = {"forward": say.figure("forward KL", "前向 KL"), "reverse": say.figure("reverse KL", "反向 KL")}
    for key, (mean, std) in fits.items():
        series[names[key]] = (x, gaussian(GRID[shown], mean, std).tolist())
    report.picture(
        "one-for-two", curve(series, "x", say.figure("density", "密度"), rising=True),
        "Forward KL(data ‖ model) covers both peaks and puts mass where there is none; reverse KL(model ‖ data) seeks one.",
        "前向 KL（数据‖模型）覆盖两个峰，在没有数据处也放了概率；反向 KL（模型‖数据）只占一个峰。",
    )  # fmt: skip
    expected = round((PEAK_STD**2 + PEAKS[1] ** 2) ** 0.5, 6)
    (_, wide), (mean, narrow) = fits["forward"], fits["reverse"]
    report.row("standard deviation by forward KL (closed form)", "前向 KL 的标准差（闭式解）", wide, "", expected)
    report.row("mean by reverse KL (nearest peak)", "反向 KL 的均值（最近的峰）", mean, "", PEAKS[1])
    report.row("standard deviation by reverse KL (that of a peak)", "反向 KL 的标准差（单峰）", narrow, "", PEAK_STD)


def on_a_plane(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    flat = measured.theory.flat
    names = {"forward": say.figure("forward KL", "前向 KL"), "reverse": say.figure("reverse KL", "反向 KL")}
    report.picture(
        "one-for-two-plane", contours(flat.mixture, {names[key]: fit for key, fit in flat.fits.items()}, float(FLAT[0]), float(FLAT[-1])),
        "The same on a plane: levels of a mixture (grey) and of the Gaussian nearest to it by each divergence.",
        "平面上的同一实验：混合分布（灰）与按各散度最接近它的高斯的等高线。",
    )  # fmt: skip
    across, up = flat.means["forward"]
    report.row(
        "distance of forward KL's mean from the middle (on the plane)",
        "平面上前向 KL 的均值到中点的距离",
        (across**2 + up**2) ** 0.5,
        "",
        0.0,
    )
    across, up = flat.means["reverse"]
    report.row("distance of reverse KL's mean from the nearer peak (on the plane)", "平面上反向 KL 的均值到较近峰的距离",
               ((across - PEAKS[1]) ** 2 + (up - 1) ** 2) ** 0.5, "", 0.0)  # fmt: skip


def optimal(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("The optimal discriminator", "最优判别器")
    learnt = measured.theory.learnt
    shown, near = (GRID > -4) & (GRID < 4), (GRID > -3) & (GRID < 3)
    x = GRID[shown].tolist()
    series = {say.figure("learnt", "学到的"): (x, learnt.says[shown].tolist()),
              say.figure("p_r / (p_r + p_θ)", "p_r / (p_r + p_θ)"): (x, learnt.wanted[shown].tolist())}  # fmt: skip
    report.picture(
        "optimal", curve(series, "x", "D(x)", rising=True),
        f"Real data N(-1, 1), made data N(1, 1): a small network after {learnt.updates:,} updates, and the closed form.",
        f"真实数据 N(-1, 1)，生成数据 N(1, 1)：小网络训练 {learnt.updates:,} 次后与闭式解。",
    )  # fmt: skip
    error = float((learnt.says - learnt.wanted)[near].abs().max())
    apart, equal = round(learnt.closed, 6), round(-2 * log(2), 6)
    report.row("largest error of the learnt discriminator, |x| < 3", "学到的判别器的最大误差，|x| < 3", error)
    report.row("value of the game against it (2 JS - 2 log 2)", "此时的博弈值（2 JS − 2 log 2）", learnt.apart, "nats", apart)  # fmt: skip
    report.row("value of the game at equilibrium (-2 log 2)", "均衡时的博弈值（−2 log 2）", learnt.equal, "nats", equal)


def plane(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("Modes of the plane", "平面上的多个峰")
    looks = measured.theory.looks
    for key, games in measured.theory.games.items():
        (en, zh), centres, steps = SHAPES[key], MODES[key].centres, looks[-1]
        count = len(centres)
        if key == "ring":
            report.say(
                f"The very systems of this package, on points of the plane: two hidden layers of 128 units, batches of 256, rate 1e-3 (WGAN 5e-4), five updates of every discriminator for one of the generator, as WGAN's critic has, and on this scale other constants than the papers': clip 0.1, λ 0.1, and σ = 4 for each layer of SNGAN. Each takes {steps:,} updates of its generator.",
                f"使用本包的系统本身，数据是平面上的点：两个 128 单元的隐层，批量 256，学习率 1e-3（WGAN 为 5e-4），每次更新生成器之前判别器都更新五次（与 WGAN 相同）；因尺度不同，常数与论文不同：截断 0.1，λ 0.1，SNGAN 每层 σ = 4。各更新生成器 {steps:,} 次。"
            )  # fmt: skip
        frames = [
            scatters({name: game.points[index] for name, game in games.items()}, centres) for index in range(len(looks))
        ]
        report.film(
            key, frames, [f"{look:,}" for look in looks],
            f"{count} Gaussians on a {en}: {TOY_SHOWN:,} points of each system over {steps:,} updates of the generator. Crosses: the centres.",
            f"{zh}上的 {count} 个高斯：各系统的 {TOY_SHOWN:,} 个点，生成器更新 {steps:,} 次。叉：中心。",
        )  # fmt: skip
        report.picture(
            f"{key}-modes",
            curve({name: (looks, game.covered) for name, game in games.items()}, say.figure("updates of the generator", "生成器更新次数"),
                  say.figure("modes covered", "覆盖的峰数"), rising=True),
            "A mode is covered when it holds a fifth of its share of the points within three deviations of its centre.",
            "若某峰在中心三个标准差内拥有应得份额五分之一以上的点，即视为被覆盖。",
        )  # fmt: skip
        for name, game in games.items():
            report.row(f"modes of the {en} covered by {name}, of {count}", f"{name} 覆盖的峰数（{zh}，共 {count}）", game.covered[-1], "modes")  # fmt: skip
            report.row(f"share of {name}'s points near a mode of the {en}", f"{name} 落在峰附近的点的比例（{zh}）", game.near)  # fmt: skip


def saturation(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("A discriminator that wins too early", "判别器过早获胜")
    found, marks = measured.theory.saturation, measured.theory.beaten
    names = {"minimax": say.figure("minimax", "极小极大"), "non_saturating": say.figure("non-saturating", "非饱和")}
    report.picture(
        "saturation",
        curve({name: (marks, [max(value, 1e-12) for value in found[key]]) for key, name in names.items()},
              say.figure("updates of the discriminator alone", "仅更新判别器的次数"), say.figure("norm of the generator's gradient", "生成器梯度的范数"),
              logarithmic=True),
        "The gradient of an untrained generator as only the discriminator is trained: log(1 - D) fades, -log D does not.",
        "只训练判别器时，未训练的生成器得到的梯度：log(1 − D) 消失，−log D 不会。",
    )  # fmt: skip
    for key, name in (("minimax", "minimax"), ("non_saturating", "non-saturating")):
        report.row(f"gradient of the {name} generator after {marks[-1]} updates, as a share of the first",
                   f"{names[key]} 生成器的梯度，{marks[-1]} 次更新后与最初之比", found[key][-1] / found[key][0])  # fmt: skip


def two_losses(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    shares = torch.linspace(0.005, 0.995, 199)
    lines = {"log(1 - D)": (1 - shares).log(), "-log D": -shares.log()}
    marks = [(belief, log(1 - belief)) for belief, _ in measured.theory.start.values()]
    report.picture(
        "two-losses",
        curve({name: (shares.tolist(), values.tolist()) for name, values in lines.items()}, "D(G(z))", say.figure("loss", "损失"),
              marks=marks, marks_name=say.figure("at the start, and beaten", "初始时，以及被击败时"), rising=True),
        "What a generator minimises, over what the discriminator believes of its images. With respect to the logit the slopes are -D and -(1 - D): both ½ at the start, and where it is beaten only the second is left.",
        "生成器最小化的损失，横轴是判别器对其图像的判断。对 logit 的斜率为 −D 与 −(1 − D)：初始时均为 ½，被击败时只剩后者。",
    )  # fmt: skip
    for key, en, zh in (
        ("start", "at initialisation", "初始时"),
        ("beaten", "after the discriminator's last update", "判别器最后一次更新后"),
    ):
        belief, slope = measured.theory.start[key]
        report.row(f"slope of log(1 - D) for the logit, {en}", f"log(1 − D) 对 logit 的斜率，{zh}", slope)
        report.row(f"slope of -log D for the logit, {en}", f"−log D 对 logit 的斜率，{zh}", belief - 1)


def turns(report: StudyReport, say: Speaker, measured: AdversarialNetworks) -> None:
    report.heading("Turn by turn", "轮流出手")
    found = measured.theory.turns
    names = {
        "before": say.figure("before its update", "判别器更新前"), "after": say.figure("after its update", "判别器更新后"),
        "answered": say.figure("after the generator's", "生成器更新后"),
    }  # fmt: skip
    iterations = list(range(1, len(found["before"]) + 1))
    report.picture(
        "turns", curve({names[key]: (iterations, values) for key, values in found.items()}, say.figure("iteration", "迭代"), "D(G(z))", rising=True),
        "D(G(z)) for the same noise within an iteration: the discriminator's update lowers it on the very images that it saw, the generator's raises it.",
        "同一次迭代中同一噪声的 D(G(z))：判别器的更新使其在所见图像上下降，生成器的更新使其上升。",
    )  # fmt: skip
    lowered, raised = (
        sum(later < earlier for earlier, later in zip(found[first], found[second], strict=True)) / len(iterations)
        for first, second in (("before", "after"), ("answered", "after"))
    )
    report.row(
        "share of the discriminator's updates that lower D(G(z)) on the same images",
        "判别器更新使同一图像 D(G(z)) 下降的比例",
        lowered,
    )
    report.row("share of the generator's updates that raise it", "生成器更新使其上升的比例", raised)


def scatters(panels: Mapping[str, Tensor], centres: Tensor) -> Image.Image:
    """A panel of points (n, 2) for each name, three in a row, with the centres as crosses. Drawn pixel by pixel: a film
    needs many, and matplotlib takes half a second for each."""
    rows = -(-len(panels) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * PANEL, rows * (PANEL + TITLE)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TITLE * 0.7)
    for index, (name, points) in enumerate(panels.items()):
        left, top = index % ACROSS * PANEL, index // ACROSS * (PANEL + TITLE)
        draw.text((left + PANEL / 2, top + TITLE / 2), name, INK, font, anchor="mm")
        top += TITLE
        # The square from -1.05 to 1.05, five pixels inside the panel.
        places = ((points.clamp(-1.05, 1.05) / 1.05 + 1) / 2 * (PANEL - 11) + 5).round().long()
        counts = (places[:, 1] * PANEL + places[:, 0]).bincount(minlength=PANEL**2).view(PANEL, PANEL)
        shade = (255 * (1 - (counts / DARK).clamp(max=1))).to(torch.uint8)
        sheet.paste(Image.fromarray(shade.numpy()), (left, top))
        for x, y in (((centres / 1.05 + 1) / 2 * (PANEL - 11) + 5).round() + torch.tensor([left, top])).tolist():
            draw.line((x - 3, y - 3, x + 3, y + 3), ACCENT)
            draw.line((x - 3, y + 3, x + 3, y - 3), ACCENT)
        draw.rectangle((left + 2, top + 2, left + PANEL - 3, top + PANEL - 3), outline=FAINT)
    return sheet


SECTIONS = (distances, one_for_two, on_a_plane, optimal, plane, saturation, two_losses, turns)
