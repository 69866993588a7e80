"""The theory of the adversarial game as experiments that take seconds: on lines and planes, against closed forms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from ...data.points import Modes, covered, lattice, ring
from ...engine.clock import Clock
from ...engine.descend import descend
from ...engine.loop import ticks
from ...engine.runtime import Runtime
from ...gans import gan, sngan, wgan, wgan_gp
from ...gans.game import Adversarial
from ...nets.players import MLPDiscriminator
from ...ops.divergences import gaussian, jensen_shannon, kullback_leibler, wasserstein
from ...ops.objectives import discriminator_loss, generator_loss
from ...reports.figures import ACCENT, FAINT, INK, curve
from ...seeds import derive
from ..study import Study

GRID = torch.linspace(-14, 14, 5601, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])
HERE = -5.0
SHIFTS = torch.linspace(0, 10, 41, dtype=torch.float64)
PEAKS, PEAK_STD = (-2.0, 2.0), 0.6  # of the mixture that one Gaussian is fitted to
START = (1.0, -1.0)  # mean and logarithm of the deviation that the fits begin with
LEARNT = {True: 3_000, False: 1_000}  # updates of a discriminator on a line
POINTS = 512
TOY_STEPS = {True: 3_000, False: 500}  # updates of each generator on the plane
TOY_FRAMES = 15
PANEL, TITLE, ACROSS = 210, 26, 3  # pixels of a panel and of its title, panels in a row
DARK = 3  # points that make a pixel black
TOY_SHOWN = 2_000
TOY = {"channels": 2, "resolution": 1, "latent": 16, "hidden": (128, 128), "batch_size": 256, "learning_rate": 1e-3,
       "discriminator_steps": 5, "images": 10**9}  # fmt: skip
BEATEN = {True: (0, 5, 10, 20, 50, 100, 200, 500), False: (0, 5, 10, 20, 50, 100)}  # discriminator updates


def toys() -> dict[str, Callable[[], Adversarial]]:
    """The systems that play on the plane."""
    return {
        "minimax": lambda: gan.GAN(gan.Config(**TOY, objective="minimax", beta1=0.5)),
        "non-saturating": lambda: gan.GAN(gan.Config(**TOY, beta1=0.5)),
        "least squares": lambda: gan.GAN(gan.Config(**TOY, objective="least_squares", beta1=0.5)),
        "WGAN": lambda: wgan.WGAN(wgan.Config(**{**TOY, "learning_rate": 5e-4}, clip=0.1)),
        "WGAN-GP": lambda: wgan_gp.WGANGP(wgan_gp.Config(**TOY, penalty_weight=0.1)),
        "SNGAN": lambda: sngan.SNGAN(sngan.Config(**TOY, bound=4.0)),
    }


@dataclass(frozen=True)
class Played:
    """A game on the plane: the points (n, 2) at each look, and how many modes they covered."""

    points: list[Tensor]
    covered: list[int]
    near: float


class TheoryStudy(Study):
    """A study that begins with the theory. The sections, in the order of the report."""

    def _distances(self) -> None:
        say = self.say
        self.report.heading(say("Two Gaussians moving apart", "两个高斯分布逐渐远离"))
        values, slopes = moving_apart()
        shifts = SHIFTS.tolist()
        names = {"js": say.figure("Jensen-Shannon", "JS 散度"), "w": say.figure("Wasserstein", "Wasserstein 距离")}
        self.report.picture(
            "apart",
            curve({names[key]: (shifts, values[key]) for key in names}, say.figure("distance of the means", "均值之差"),
                  say.figure("distance", "距离"), rising=True),
            say("Between N(0, 1) and N(θ, 1): the Jensen-Shannon divergence is flat at log 2, the Wasserstein distance is θ.",
                "N(0, 1) 与 N(θ, 1) 之间：JS 散度趋于 log 2 后不再变化，Wasserstein 距离等于 θ。"),
        )  # fmt: skip
        self.report.picture(
            "apart-gradients",
            curve({names[key]: (shifts, slopes[key]) for key in names}, say.figure("distance of the means", "均值之差"),
                  say.figure("gradient for θ", "对 θ 的梯度"), rising=True),
            say("The gradient that each gives a generator which can move θ: none far away, or 1 everywhere.",
                "二者给能移动 θ 的生成器的梯度：远处几乎为零，或处处为 1。"),
        )  # fmt: skip
        self.row(
            "Jensen-Shannon divergence at distance 10 (log 2)",
            "距离 10 处的 JS 散度（log 2）",
            values["js"][-1],
            "nats",
            round(log(2), 6),
        )
        self.row("Wasserstein distance at distance 10", "距离 10 处的 Wasserstein 距离", values["w"][-1], "", 10.0)
        self.row("gradient of Jensen-Shannon at distance 10", "距离 10 处 JS 的梯度", slopes["js"][-1], "")
        self.row("gradient of Wasserstein at distance 10", "距离 10 处 Wasserstein 的梯度", slopes["w"][-1], "", 1.0)

    def _one_for_two(self) -> None:
        say = self.say
        self.report.heading(say("One Gaussian for a mixture", "用一个高斯拟合混合分布"))
        mixture, fits = fitted_gaussians()
        shown = (GRID > -6) & (GRID < 6)
        x = GRID[shown].tolist()
        series = {say.figure("mixture", "混合分布"): (x, mixture[shown].tolist())}
        names = {"forward": say.figure("forward KL", "前向 KL"), "reverse": say.figure("reverse KL", "反向 KL")}
        for key, (mean, std) in fits.items():
            series[names[key]] = (x, gaussian(GRID[shown], mean, std).tolist())
        self.report.picture(
            "one-for-two", curve(series, "x", say.figure("density", "密度"), rising=True),
            say("Forward KL(data ‖ model) covers both peaks and puts mass where there is none; reverse KL(model ‖ data) seeks one.",
                "前向 KL（数据‖模型）覆盖两个峰，在没有数据处也放了概率；反向 KL（模型‖数据）只占一个峰。"),
        )  # fmt: skip
        expected = (PEAK_STD**2 + PEAKS[1] ** 2) ** 0.5
        self.row(
            "standard deviation by forward KL (closed form)",
            "前向 KL 的标准差（闭式解）",
            fits["forward"][1],
            "",
            round(expected, 6),
        )
        self.row("mean by reverse KL (nearest peak)", "反向 KL 的均值（最近的峰）", fits["reverse"][0], "", PEAKS[1])
        self.row(
            "standard deviation by reverse KL (that of a peak)",
            "反向 KL 的标准差（单峰）",
            fits["reverse"][1],
            "",
            PEAK_STD,
        )

    def _optimal(self) -> None:
        say, updates = self.say, LEARNT[self.full]
        self.report.heading(say("The optimal discriminator", "最优判别器"))
        apart, learnt, wanted = learnt_discriminator(1.0, updates, self.seed)
        equal, *_ = learnt_discriminator(0.0, updates, self.seed)
        shown = (GRID > -4) & (GRID < 4)
        x = GRID[shown].tolist()
        self.report.picture(
            "optimal",
            curve({say.figure("learnt", "学到的"): (x, learnt[shown].tolist()),
                   say.figure("p_r / (p_r + p_θ)", "p_r / (p_r + p_θ)"): (x, wanted[shown].tolist())}, "x", "D(x)", rising=True),
            say(f"Real data N(-1, 1), made data N(1, 1): a small network after {updates:,} updates, and the closed form.",
                f"真实数据 N(-1, 1)，生成数据 N(1, 1)：小网络训练 {updates:,} 次后与闭式解。"),
        )  # fmt: skip
        first, second = (gaussian(GRID, mean, 1.0) for mean in (-1.0, 1.0))
        best = 2 * float(jensen_shannon(first, second, STEP)) - 2 * log(2)
        self.row("largest error of the learnt discriminator, |x| < 3", "学到的判别器的最大误差，|x| < 3",
                 float((learnt - wanted)[(GRID > -3) & (GRID < 3)].abs().max()), "")  # fmt: skip
        self.row(
            "value of the game against it (2 JS - 2 log 2)",
            "此时的博弈值（2 JS − 2 log 2）",
            apart,
            "nats",
            round(best, 6),
        )
        self.row(
            "value of the game at equilibrium (-2 log 2)",
            "均衡时的博弈值（−2 log 2）",
            equal,
            "nats",
            round(-2 * log(2), 6),
        )

    def _plane(self) -> None:
        say, steps = self.say, TOY_STEPS[self.full]
        self.report.heading(say("Modes of the plane", "平面上的多个峰"))
        looks = [steps * (index + 1) // TOY_FRAMES for index in range(TOY_FRAMES)]
        for key, modes, en, zh in (("ring", ring(), "ring", "环"), ("lattice", lattice(), "square", "方阵")):
            games = {name: play(build, modes, steps, derive(self.seed, "plane", key)) for name, build in toys().items()}
            frames = [
                scatters({name: game.points[index] for name, game in games.items()}, modes.centres)
                for index in range(TOY_FRAMES)
            ]
            count = len(modes.centres)
            if key == "ring":
                self.report.say(
                    say(f"The very systems of this package, on points of the plane: two hidden layers of 128 units, batches of 256, rate 1e-3 (WGAN 5e-4), five updates of every discriminator for one of the generator, as WGAN's critic has, and on this scale other constants than the papers': clip 0.1, λ 0.1, and σ = 4 for each layer of SNGAN. Each takes {steps:,} updates of its generator.",
                        f"使用本包的系统本身，数据是平面上的点：两个 128 单元的隐层，批量 256，学习率 1e-3（WGAN 为 5e-4），每次更新生成器之前判别器都更新五次（与 WGAN 相同）；因尺度不同，常数与论文不同：截断 0.1，λ 0.1，SNGAN 每层 σ = 4。各更新生成器 {steps:,} 次。")
                )  # fmt: skip
            self.report.film(
                key, frames, [f"{look:,}" for look in looks],
                say(f"{count} Gaussians on a {en}: {TOY_SHOWN:,} points of each system over {steps:,} updates of the generator. Crosses: the centres.",
                    f"{zh}上的 {count} 个高斯：各系统的 {TOY_SHOWN:,} 个点，生成器更新 {steps:,} 次。叉：中心。"),
            )  # fmt: skip
            self.report.picture(
                f"{key}-modes",
                curve({name: (looks, game.covered) for name, game in games.items()}, say.figure("updates of the generator", "生成器更新次数"),
                      say.figure("modes covered", "覆盖的峰数"), rising=True),
                say("A mode is covered when it holds a fifth of its share of the points within three deviations of its centre.",
                    "若某峰在中心三个标准差内拥有应得份额五分之一以上的点，即视为被覆盖。"),
            )  # fmt: skip
            for name, game in games.items():
                self.row(
                    f"modes of the {en} covered by {name}, of {count}",
                    f"{name} 覆盖的峰数（{zh}，共 {count}）",
                    game.covered[-1],
                    "modes",
                )
                self.row(
                    f"share of {name}'s points near a mode of the {en}",
                    f"{name} 落在峰附近的点的比例（{zh}）",
                    game.near,
                    "",
                )

    def _saturation(self) -> None:
        say = self.say
        self.report.heading(say("A discriminator that wins too early", "判别器过早获胜"))
        found = saturating(
            self.data.train.images(range(min(2_000, len(self.data.train)))), BEATEN[self.full], self.seed
        )
        marks = BEATEN[self.full]
        names = {"minimax": say.figure("minimax", "极小极大"), "non_saturating": say.figure("non-saturating", "非饱和")}
        self.report.picture(
            "saturation",
            curve({name: (marks, [max(value, 1e-12) for value in found[key]]) for key, name in names.items()},
                  say.figure("updates of the discriminator alone", "仅更新判别器的次数"), say.figure("norm of the generator's gradient", "生成器梯度的范数"),
                  logarithmic=True),
            say("The gradient of an untrained generator as only the discriminator is trained: log(1 - D) fades, -log D does not.",
                "只训练判别器时，未训练的生成器得到的梯度：log(1 − D) 消失，−log D 不会。"),
        )  # fmt: skip
        for key, name in (("minimax", "minimax"), ("non_saturating", "non-saturating")):
            self.row(f"gradient of the {name} generator after {marks[-1]} updates, as a share of the first",
                     f"{names[key]} 生成器的梯度，{marks[-1]} 次更新后与最初之比", found[key][-1] / found[key][0], "")  # fmt: skip


def moving_apart() -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Both distances of two normal densities whose means are θ apart, and their gradients with respect to θ, at each of
    `SHIFTS`."""
    here = gaussian(GRID, HERE, 1.0)
    values: dict[str, list[float]] = {"js": [], "w": []}
    slopes: dict[str, list[float]] = {"js": [], "w": []}
    for shift in SHIFTS:
        at = shift.clone().requires_grad_()
        there = gaussian(GRID, HERE + at, 1.0)
        for key, distance in (("js", jensen_shannon), ("w", wasserstein)):
            value = distance(here, there, STEP)
            (slope,) = torch.autograd.grad(value, at, retain_graph=True)
            values[key].append(float(value.detach()))
            slopes[key].append(float(slope))
    return values, slopes


def fitted_gaussians() -> tuple[Tensor, dict[str, tuple[float, float]]]:
    """The mixture's density, and mean and deviation of the Gaussian that is nearest by each divergence."""
    mixture = sum((gaussian(GRID, peak, PEAK_STD) for peak in PEAKS), torch.zeros_like(GRID)) / len(PEAKS)
    fits = {}
    for key in ("forward", "reverse"):
        mean, scale = (torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in START)
        newton = torch.optim.LBFGS([mean, scale], max_iter=200, line_search_fn="strong_wolfe")

        def closure(key: str = key, mean: Tensor = mean, scale: Tensor = scale) -> Tensor:
            model = gaussian(GRID, mean, scale.exp())
            first, second = (mixture, model) if key == "forward" else (model, mixture)
            loss = kullback_leibler(first, second, STEP)
            mean.grad, scale.grad = torch.autograd.grad(loss, (mean, scale))
            return loss

        newton.step(closure)
        fits[key] = (float(mean.detach()), float(scale.detach().exp()))
    return mixture, fits


def learnt_discriminator(offset: float, updates: int, seed: int) -> tuple[float, Tensor, Tensor]:
    """The value of the game, E log D(x) + E log(1 - D(x')), of a small network trained to tell N(-offset, 1) from
    N(offset, 1), measured on new points; what it says on `GRID`, and what the optimal one would."""
    torch.manual_seed(derive(seed, "discriminator"))
    network = MLPDiscriminator(1, (64, 64))
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    for update in range(updates):
        adam.param_groups[0]["lr"] = 3e-3 * (1 - update / updates)
        real, made = torch.randn(POINTS, 1) - offset, torch.randn(POINTS, 1) + offset
        descend(discriminator_loss("minimax", network(real), network(made)), adam)
    with torch.no_grad():
        fresh = torch.randn(2, 100_000, 1)
        value = -discriminator_loss("minimax", network(fresh[0] - offset), network(fresh[1] + offset))
        says = network(GRID.float()[:, None]).sigmoid().double()
    real_density, made_density = gaussian(GRID, -offset, 1.0), gaussian(GRID, offset, 1.0)
    return float(value), says, real_density / (real_density + made_density).clamp(min=1e-300)


def play(build: Callable[[], Adversarial], modes: Modes, steps: int, seed: int) -> Played:
    """Trains a system on the points of `modes` for `steps` updates of its generator."""
    torch.manual_seed(seed)
    system = build()
    batches = modes.batches(system.config.batch_size, seed)
    points: list[Tensor] = []
    found: list[tuple[int, float]] = []
    runtime = Runtime(torch.device("cpu"), "fp32")  # on networks this small bf16 saves nothing
    marks = {steps * (index + 1) // TOY_FRAMES for index in range(TOY_FRAMES)}
    for done, _ in enumerate(ticks(system, lambda _: batches.at, Clock(), seed, runtime), 1):
        if done in marks:
            drawn = system.eval().sample(TOY_SHOWN, generator=torch.Generator().manual_seed(seed)).flatten(1)
            points.append(drawn)
            found.append(covered(drawn, modes))
        if done == steps:
            break
    return Played(points, [count for count, _ in found], found[-1][1])


def saturating(images: Tensor, marks: Sequence[int], seed: int) -> dict[str, list[float]]:
    """The norm of an untrained generator's gradient by either objective, after each of `marks` updates of the
    discriminator alone on `images` (n, 1, 28, 28) in [0, 1]."""
    torch.manual_seed(derive(seed, "saturation"))
    system = gan.GAN(gan.Config())
    norms: dict[str, list[float]] = {"minimax": [], "non_saturating": []}
    real = 2 * images - 1
    for update in range(marks[-1] + 1):
        if update in marks:
            (verdict,) = system.judge(system.generator(system.noise(POINTS)))
            for objective in ("minimax", "non_saturating"):
                loss = generator_loss(objective, verdict)
                gradients = torch.autograd.grad(loss, list(system.generator.parameters()), retain_graph=True)
                norms[objective].append(float(nn.utils.get_total_norm(gradients)))
        chosen = real[torch.randint(len(real), (system.config.batch_size,))]
        with torch.no_grad():
            made = system.generator(system.noise(len(chosen)))
        descend(discriminator_loss("non_saturating", *system.judge(chosen, made)), system.optimizers["discriminator"])
    return norms


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
