"""The run doctor: reads the log of an adversarial run and says in words what goes wrong, and what to change.

Beliefs and diversity are means over the last fifth of the run; losses are held against the second fifth. Every finding
names the number that it rests on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean, median
from typing import Any

from torch import nn

from ..family import History
from ..metrics.table import ENGLISH, Evaluation
from ..reports.language import Speaker
from .game import Adversarial

LAST = 5  # the share of the log that counts: a fifth
SURE, UNSURE = 0.97, 0.05  # beliefs of a discriminator that has won, and how near ½ it stands when it has lost
POOR = 0.4  # diversity of a batch, as a share of the real one
GROWN, LARGE = 5.0, 10.0  # how much a loss must have grown, and to what, to be called diverging
SPENT = 1.3  # final distance over the best
FALLING = 0.98  # mean distance of the last third of the run over that of the third before
NEEDED = {"real", "fake_before", "diversity", "discriminator", "generator"}  # of a line of the log
LACKING = 0.9  # entropy of classes, as a share of the real one
PROBABILITIES = ("minimax", "non_saturating")
MEANS = ("wasserstein", "hinge")  # objectives whose generator's loss is a mean of logits
PLAYERS_ZH = {"discriminator": "判别器", "generator": "生成器"}
Rows = Sequence[Mapping[str, Any]]  # of metrics.jsonl, or of measures.jsonl


@dataclass(frozen=True)
class Finding:
    """What is wrong, with its number, and what to change."""

    finding: str
    change: str


def diagnose(system: Adversarial, history: History, evaluation: Evaluation, say: Speaker = ENGLISH) -> list[Finding]:
    """The findings on the run of `system` with this history, in the speaker's language."""
    rows = [row for row in history.rows if row.keys() >= NEEDED]
    measures = followed(history.measures, evaluation)
    if not rows:
        return []
    late = rows[-max(1, len(rows) // LAST) :]
    mean = {key: fmean(row[key] for row in late) for key in ("real", "fake_before", "diversity")}
    return [
        *_balance(mean, system, say),
        *_collapse(mean["diversity"], measures, evaluation, system, say),
        *_divergence(rows, late, system, say),
        *_decline(measures, system, say),
    ]


def _balance(mean: dict[str, float], system: Adversarial, say: Speaker) -> list[Finding]:
    real, fake, objective = mean["real"], mean["fake_before"], system.config.objective
    r1, r1_zh = ("--r1 1, ", "--r1 1，") if _may_take_r1(system) else ("", "")
    if objective not in PROBABILITIES:
        return []
    gives = say(
        f"it gives real images {real:.1%} and made ones {fake:.1%}", f"它给真实图像 {real:.1%}，给生成图像 {fake:.1%}"
    )
    if real > SURE and fake < 1 - SURE:
        fades, other = "", say("Try ", "可试用")
        if objective == "minimax":
            fades = say(
                ", and with the minimax objective its gradient vanishes there", "，而极小极大目标的梯度在此消失"
            )
            other = say("Use --objective non_saturating, or ", "请用 --objective non_saturating，或")
        return [
            Finding(
                say(
                    f"The discriminator has won: {gives}. The generator has little to learn from{fades}.",
                    f"判别器已获胜：{gives}。生成器几乎学不到东西{fades}。",
                ),
                other
                + say(
                    f"a weaker discriminator, {r1}or more and other images to tell apart.",
                    f"更弱的判别器、{r1_zh}或更多、更多样的图像。",
                )
                if system.steady
                else other
                + say(
                    f"a weaker discriminator, {r1}or a system that keeps it smooth: wgan_gp or sngan.",
                    f"更弱的判别器、{r1_zh}或使判别器保持平滑的系统：wgan_gp 或 sngan。",
                ),
            )
        ]
    if abs(real - 0.5) < UNSURE and abs(fake - 0.5) < UNSURE:
        return [
            Finding(
                say(
                    f"The discriminator cannot tell: {gives}. Where the images are good that is the equilibrium; where "
                    f"they are not, it is too weak.",
                    f"判别器无法区分：{gives}。若图像良好，这就是均衡；若不好，则判别器太弱。",
                ),
                say(
                    "If the images are poor: --discriminator-steps 2, or wider layers.",
                    "若图像不佳：--discriminator-steps 2，或更宽的层。",
                ),
            )
        ]
    return []


def _collapse(
    diversity: float, measures: Rows, evaluation: Evaluation, system: Adversarial, say: Speaker
) -> list[Finding]:
    """One finding at most: its cause and its mend are the same."""
    augmented, augmented_zh = ("--augmented ", "--augmented ") if _sees_plain(system) else ("", "")
    change = say(
        f"Use larger batches, {augmented}or a smaller --learning-rate",
        f"请用更大的批量、{augmented_zh}或更小的 --learning-rate",
    )
    if not system.steady:
        change += say(", or train wgan_gp or sngan", "，或改用 wgan_gp、sngan")
        if not system.conditional:
            change += say(", or tell the classes: cgan", "，或给出类别：cgan")
    change += say(".", "。")
    if _still_falls(measures):
        longer = say(
            "The distance still falls: train longer first (--images). ", "距离仍在下降：请先训练更久（--images）。"
        )
        change = longer + change
    if diversity < POOR:
        low = say(
            f"Diversity is low: made images of a batch differ {diversity:.0%} as much as real ones do.",
            f"多样性低：同批生成图像之间的差异只有真实图像的 {diversity:.0%}。",
        )
        return [Finding(low, change)]
    drawn, real = evaluation.values(), evaluation.values("floor")
    if "covered" in drawn and (drawn["covered"] < real["covered"] or drawn["entropy"] < LACKING):
        missing = say(
            f"Some kinds of images are missing: {drawn['covered']:.0f} of {real['covered']:.0f} classes are drawn, "
            f"with {drawn['entropy']:.1%} of the entropy that real ones have.",
            f"缺少某些类别的图像：{real['covered']:.0f} 类中画出 {drawn['covered']:.0f} 类，"
            f"其熵为真实图像的 {drawn['entropy']:.1%}。",
        )
        return [Finding(missing, change)]
    return []


def _may_take_r1(system: Adversarial) -> bool:
    """Whether R1 is neither on already nor refused, as with batch norm."""
    return not system.config.r1 and not any(
        isinstance(layer, nn.BatchNorm2d) for layer in system.discriminator.modules()
    )


def _sees_plain(system: Adversarial) -> bool:
    """Whether its discriminator is shown images as they are."""
    return not system.config.augmented and not system.config.ada


def _still_falls(measures: Rows) -> bool:
    """Whether the last third of the measurements lies below what came before."""
    values = [row[distance_of(measures)] for row in measures]
    third = len(values) // 3
    return third > 0 and fmean(values[-third:]) < FALLING * fmean(values[-2 * third : -third])


def followed(measures: Rows, evaluation: Evaluation) -> Rows:
    """The measurements that make one curve: of the distance which a run is followed by, and taken with the network and
    against the data that it was measured with at the end. Older runs do not say with which."""
    mine, key = (evaluation.network, evaluation.fingerprint), distance_of(measures)
    return [
        row
        for row in measures
        if isfinite(row.get(key, nan)) and (row.get("network", mine[0]), row.get("data", mine[1])) == mine
    ]


def distance_of(measures: Rows) -> str:
    """The measure that a run was followed by."""
    return "fcd" if measures and "fcd" in measures[0] else "frechet"


def _divergence(rows: Rows, late: Rows, system: Adversarial, say: Speaker) -> list[Finding]:
    objective = system.config.objective
    r1, r1_zh = (", or --r1 1", " 或 --r1 1") if _may_take_r1(system) else ("", "")
    found = []
    early = rows[len(rows) // LAST : 2 * len(rows) // LAST]
    # A generator's loss that is a mean of logits has no zero, and none to return to: it says nothing by itself.
    for player in ("discriminator",) if objective in MEANS else ("discriminator", "generator"):
        now = median(abs(row[player]) for row in late)
        before = median(abs(row[player]) for row in early) if early else now
        if isfinite(now) and now > LARGE and now > GROWN * before:
            found.append(
                Finding(
                    say(
                        f"The loss of the {player} diverges: {before:.3g} early, {now:.3g} now.",
                        f"{PLAYERS_ZH[player]}的损失发散：早期 {before:.3g}，现在 {now:.3g}。",
                    ),
                    say(
                        f"Use a smaller --learning-rate, or a gradient penalty (wgan_gp{r1}).",
                        f"请用更小的 --learning-rate，或梯度惩罚（wgan_gp{r1_zh}）。",
                    ),
                )
            )
    return found


def _decline(measures: Rows, system: Adversarial, say: Speaker) -> list[Finding]:
    if len(measures) < 2:
        return []
    average, average_zh = "", ""
    if not system.config.half_life:
        average, average_zh = ", or average the generator: --half-life 20000", "，或对生成器取平均：--half-life 20000"
    key = distance_of(measures)
    best = min(measures, key=lambda row: row[key])
    final = measures[-1][key]
    if final <= SPENT * best[key]:
        return []
    return [
        Finding(
            say(
                f"It was better before: the distance was {best[key]:.3g} after {best['images']:,} images and is "
                f"{final:.3g} at the end.",
                f"此前更好：{best['images']:,} 张图像后距离为 {best[key]:.3g}，结束时为 {final:.3g}。",
            ),
            say(
                f"Stop at --images {best['images']}{average}.",
                f"请在 --images {best['images']} 处停止{average_zh}。",
            ),
        )
    ]
