"""What the dogs study tells of code spaces: drawn from, blended, perturbed, walked through, and whether that generates."""

from collections.abc import Sequence

from torch import Tensor

from ...autoencoders.codes import OFFSETS, SHARE
from ...metrics.distance import UNUSUAL
from ...reports.figures import code_pictures, labelled_rows
from ...reports.language import Speaker
from ..study import StudyReport
from .measures import FLOOR, STRENGTHS, Dogs


def gaussian(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    space, facts, count = measured.explored, measured.statistics["reference"], measured.fitted
    report.heading("A Gaussian over the codes, and what it decodes to", "编码上的高斯分布及其解码")
    report.say(
        f"{count} codes of {measured.numbers:,} numbers cannot give a full covariance: it would be singular, its draws "
        f"confined to the span of those {count} codes. The estimate of Ledoit and Wolf mixes {facts.shrinkage:.1%} of "
        f"a multiple of the identity into it. The codes themselves are no Gaussian: {facts.zeros:.0%} of their "
        f"numbers are exactly 0 behind the ReLU, and no drawn number is.",
        f"{count} 个 {measured.numbers:,} 维编码不足以给出满秩协方差：它是奇异的，抽样只会落在这 {count} 个编码张成的空间里。Ledoit-Wolf "
        f"估计混入 {facts.shrinkage:.1%} 的单位阵倍数。编码本身并非高斯：ReLU 之后 {facts.zeros:.0%} 的数恰为 0，抽取的数则没有。",
    )
    names = ("", say.figure("drawn code", "抽取的编码"), say.figure("histogram", "直方图"), say.figure("decoded", "解码"))  # fmt: skip
    report.picture(
        "samples",
        code_pictures(None, space.maps, space.drawn, names),
        "Nine codes drawn from the Gaussian, and what the reference decodes them to. An autoencoder was never asked "
        "to make these codes mean anything.",
        "由高斯分布抽取的九个编码及基准网络的解码。自编码器从未被要求让这些编码有意义。",
    )
    rows = {
        say.figure("drawn", "抽取"): space.drawn,
        say.figure(f"{SHARE:g} drawn, same row", f"{SHARE:g} 抽取，同一行"): space.same_row,
        say.figure(f"{SHARE:g} drawn, nearest", f"{SHARE:g} 抽取，最近编码"): space.nearest,
        say.figure("that real one", "该最近编码"): space.partners,
    }
    report.picture(
        "blended",
        labelled_rows(rows),
        f"Blends: {SHARE:g} of the drawn code and {1 - SHARE:g} of a real one, taken from the same row as the "
        f"reference does, or the nearest to the drawn code (its image in the last row). What can be recognised in "
        f"a blend is the photograph that was put in.",
        f"混合：{SHARE:g} 的抽取编码加 {1 - SHARE:g} 的真实编码；真实编码取同一行（原实验的做法）或离抽取编码最近者（末行为其图像）。混合结果中认得出的，正是放进去的那张照片。",
    )
    _perturbed(report, say, "perturbed-real", space.real, "real codes", "真实编码")
    _perturbed(report, say, "perturbed-drawn", space.unreal, "drawn codes", "抽取的编码")
    _perturbed(report, say, "perturbed-blended", space.blended, "blended codes (same row)", "混合编码（同一行）")


def _perturbed(report: StudyReport, say: Speaker, figure: str, images: Sequence[Tensor], en: str, zh: str) -> None:
    names = [say.figure("no noise", "无噪声"), *(say.figure(f"noise {value:g}", f"噪声 {value:g}") for value in STRENGTHS)]  # fmt: skip
    report.picture(
        figure,
        labelled_rows(dict(zip(names, images, strict=True))),
        f"Noise on {en}, in units of the root of the codes' power.",
        f"对{zh}加噪声，以编码功率的平方根为单位。",
    )


def walks(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    """Between images and along principal directions."""
    space = measured.explored
    report.heading("Walking through the space", "在编码空间中行走")
    report.picture(
        "interpolated",
        labelled_rows({say.figure(f"pair {index}", f"第 {index} 对"): way for index, way in enumerate(space.ways, 1)}),
        "Straight lines between the codes of two training images (ours, σ 0.05). The middle shows both at once: a "
        "code that keeps places fades from one image into the other, it does not turn one thing into another.",
        "两张训练图像编码之间的直线（我们的网络，σ 0.05）。中间同时看到两者：保留位置的编码只是淡入淡出，并没有把一物变成另一物。",
    )
    ways = {say.figure(f"direction {index}", f"方向 {index}"): way for index, way in enumerate(space.directions, 1)}
    report.picture(
        "directions",
        labelled_rows(ways, OFFSETS),
        f"The mean code moved along the first principal directions of {measured.fitted} codes (ours, σ 0.05).",
        f"平均编码沿 {measured.fitted} 个编码的前几个主方向移动（我们的网络，σ 0.05）。",
    )


def noisy_spaces(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Drawing from the spaces trained with noise", "从加噪训练的空间抽样")
    rows = {measured.runs[name].figure_label(say): images for name, images in measured.explored.samples.items()}
    report.picture(
        "noisy-samples",
        labelled_rows(rows),
        f"Codes drawn from a Gaussian over {measured.fitted} codes of each space, decoded. Noise in training keeps near codes "
        "near; it does not fill the space between codes.",
        "由各空间若干编码上的高斯分布抽取并解码。训练时的噪声使相近的编码保持相近，却填不满编码之间的空间。",
    )


def generation(report: StudyReport, say: Speaker, measured: Dogs) -> None:
    report.heading("Does it generate?", "它能生成吗？")
    made, count = measured.generation, measured.count
    cells = [[say("held-out images themselves", "留出图像本身"), "–", "–", f"{made.usual:.4f}", f"{UNUSUAL:.1%}"]]
    for en, found in made.found.items():
        words = made.words[en]
        # Each of the training images is its own nearest one.
        closeness = ("–", "–") if en == FLOOR else (f"{found.nearest:.4f}", f"{found.closer:.1%}")
        cells.append(
            [words.by(say), f"{found.frechet:.4g}", f"{found.kernel:.4g} ± {found.spread:.2g}", *closeness]
        )  # fmt: skip
        report.row(f"Fréchet distance to held-out images, {en}", f"与留出图像的 Fréchet 距离，{words.zh}", found.frechet)  # fmt: skip
        report.row(f"kernel distance to held-out images, {en}", f"与留出图像的核距离，{words.zh}", found.kernel)
    report.table(
        ["", say("Fréchet", "Fréchet 距离"), say("kernel (MMD²)", "核距离（MMD²）"),
         say("nearest training image", "最近训练图像"), say("closer than usual", "异常接近")],
        cells,
        f"Distance of each set of {count} images to {count} held-out images, in the features of {made.network}, "
        f"scaled so that those of the held-out images have mean square 1; kernel: ± its standard error. "
        f"Neither is the FID or KID of papers; Fréchet with {made.numbers} features is "
        f"biased upwards for so few images, alike in all rows. Nearest: median over images of the root mean "
        f"squared pixel difference to the closest of {made.known:,} training images; closer than usual: nearer than "
        f"{1 - UNUSUAL:.0%} of held-out images are ({made.limit:.4f}).",
        f"每组 {count} 张图像与 {count} 张留出图像的距离，特征网络为 {made.network}（缩放到留出图像特征的均方为 1）；"
        f"核距离后为标准误差。两者都不是论文中的 FID 或 KID；{made.numbers} 维特征的 Fréchet 距离在图像数少时偏大，各行相同。最近：与 {made.known:,} 张训练图像中最近者的"
        f"均方根像素差的中位数；异常接近：比 {1 - UNUSUAL:.0%} 的留出图像更接近（{made.limit:.4f}）。",
    )  # fmt: skip
    _verdict(report, measured)
    drawn, blended = made.pictures["drawn, reference"], made.pictures["blended with nearest, reference"]
    rows = {
        say.figure("drawn", "抽取"): drawn[0],
        say.figure("nearest training", "最近训练图像"): drawn[1],
        say.figure("blended", "混合"): blended[0],
        say.figure("its nearest training", "其最近训练图像"): blended[1],
    }
    report.picture(
        "nearest",
        labelled_rows(rows),
        "Drawn images and blends above the training images nearest to them, by pixels.",
        "抽取与混合的图像，下面是按像素最近的训练图像。",
    )


def _verdict(report: StudyReport, measured: Dogs) -> None:
    """What the kernel distances say, in words."""
    found = measured.generation.found
    drawn = {name: comparison for name, comparison in found.items() if name.startswith("drawn")}
    best = min(drawn, key=lambda name: drawn[name].kernel)
    restored = found["reconstructions, reference"]
    margin = drawn[best].kernel - restored.kernel
    if margin > 2 * (drawn[best].spread + restored.spread):
        en = (
            "Drawing codes gives images that are clearly farther from photographs than reconstructions are: this does "
            "not generate photographs. It makes patterns with their colours and edges."
        )
        zh = "抽取编码得到的图像与照片的距离明显大于重建：这不是在生成照片，而是带有其色彩和边缘的图案。"
    else:
        en = (
            "By this measure drawn images are not clearly farther from photographs than reconstructions are: look at "
            "them before believing it."
        )
        zh = "按此度量，抽取的图像与照片的距离并不明显大于重建；相信之前请先看图。"
    report.say(
        f"The best of the drawn sets ({best}) has a kernel distance of {drawn[best].kernel:.4g} ± "
        f"{drawn[best].spread:.2g}; between real photographs it is {found[FLOOR].kernel:.4g}, for reconstructions by "
        f"the reference {restored.kernel:.4g} ± {restored.spread:.2g}, for the mean image "
        f"{found['mean image'].kernel:.4g}. {en}",
        f"抽取组中最好的（{best}）核距离为 {drawn[best].kernel:.4g} ± {drawn[best].spread:.2g}；真实照片之间为 {found[FLOOR].kernel:.4g}，"
        f"基准网络的重建为 {restored.kernel:.4g} ± {restored.spread:.2g}，平均图像为 {found['mean image'].kernel:.4g}。{zh}",
        loud=True,
    )
    report.say(
        "Closeness in pixels is no proof of copying: whatever is blurred lies nearer to every photograph, as the "
        "mean image's row shows. What would show copying is a sharp image that lies closer than usual.",
        "像素接近并不证明抄袭：越模糊的图像离所有照片越近，平均图像一行即可看出。清晰而又异常接近的图像才说明抄袭。",
    )


SECTIONS = (gaussian, walks, noisy_spaces, generation)
