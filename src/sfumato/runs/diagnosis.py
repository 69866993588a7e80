"""The run doctor: reads the log of an adversarial run and says in words what goes wrong, and what to change.

Beliefs and diversity are means over the last fifth of the run; losses are held against the second fifth. Every finding
names the number that it rests on.
"""

from dataclasses import asdict, dataclass
from math import isfinite
from statistics import fmean, median
from typing import Any

from .folder import RunFolder

LAST = 5  # the share of the log that counts: a fifth
SURE, UNSURE = 0.97, 0.05  # beliefs of a discriminator that has won, and how near ½ it stands when it has lost
POOR = 0.4  # diversity of a batch, as a share of the real one
GROWN, LARGE = 5.0, 10.0  # how much a loss must have grown, and to what, to be called diverging
SPENT = 1.3  # final distance over the best
FALLING = 0.98  # mean distance of the last third of the run over that of the third before
STEADY = ("wgan", "wgan_gp", "sngan")
LACKING = 0.9  # entropy of classes, as a share of the real one
PROBABILITIES = ("minimax", "non_saturating")


@dataclass(frozen=True)
class Finding:
    """What is wrong, with its number, and what to change."""

    finding: str
    change: str


def history(folder: RunFolder, evaluation: dict[str, Any]) -> dict[str, Any]:
    """What an adversarial run's evaluation says beyond its rows: the best and the final distance over the run, and the
    findings. Nothing for other runs."""
    values = folder.read_config()
    rows = folder.metrics()
    if not rows or "fake_before" not in rows[-1]:
        return {}
    measures = folder.metrics("measures.jsonl")
    over: dict[str, Any] = {}
    if measures:
        key = _distance(measures)
        best = min(measures, key=lambda row: row[key])
        over = {"measure": key, "best": best[key], "best_at": best["images"], "final": measures[-1][key]}
    findings = diagnose(rows, measures, evaluation, values["system"], values["config"])
    return {"over_the_run": over, "findings": [asdict(finding) for finding in findings]}


def diagnose(
    rows: list[dict[str, Any]], measures: list[dict[str, Any]], evaluation: dict[str, Any], system: str,
    config: dict[str, Any],
) -> list[Finding]:  # fmt: skip
    """The findings on a run with these rows of metrics.jsonl and measures.jsonl."""
    objective = config.get("objective", "wasserstein")
    late = rows[-max(1, len(rows) // LAST) :]
    mean = {key: fmean(row[key] for row in late) for key in ("real", "fake_before", "diversity")}
    return [
        *_balance(mean, objective),
        *_collapse(mean["diversity"], measures, evaluation, system),
        *_divergence(rows, late, objective),
        *_decline(measures),
    ]


def _balance(mean: dict[str, float], objective: str) -> list[Finding]:
    real, fake = mean["real"], mean["fake_before"]
    if objective not in PROBABILITIES:
        return []
    if real > SURE and fake < 1 - SURE:
        vanishing = ", and with the minimax objective its gradient vanishes there" if objective == "minimax" else ""
        return [
            Finding(
                f"The discriminator has won: it gives real images {real:.1%} and made ones {fake:.1%}. The generator "
                f"has little to learn from{vanishing}.",
                ("Use --objective non_saturating, or " if objective == "minimax" else "Try ")
                + "a weaker discriminator, --r1 1, or a system that keeps it smooth: wgan_gp or sngan.",
            )
        ]
    if abs(real - 0.5) < UNSURE and abs(fake - 0.5) < UNSURE:
        return [
            Finding(
                f"The discriminator cannot tell: it gives real images {real:.1%} and made ones {fake:.1%}. Where the "
                f"images are good that is the equilibrium; where they are not, it is too weak.",
                "If the images are poor: --discriminator-steps 2, or wider layers.",
            )
        ]
    return []


def _collapse(
    diversity: float, measures: list[dict[str, Any]], evaluation: dict[str, Any], system: str
) -> list[Finding]:
    """One finding at most: its cause and its mend are the same."""
    change = "Use larger batches, --augmented or a smaller --learning-rate"
    if system not in STEADY:
        change += ", or train wgan_gp or sngan" + ("" if system == "cgan" else ", or tell the classes: cgan")
    if _still_falls(measures):
        change = "The distance still falls: train longer first (--images). " + change
    if diversity < POOR:
        low = f"Diversity is low: made images of a batch differ {diversity:.0%} as much as real ones do."
        return [Finding(low, f"{change}.")]
    drawn, real = evaluation["rows"][:2]
    if "covered" in drawn and (drawn["covered"] < real["covered"] or drawn["entropy"] < LACKING):
        missing = (
            f"Some kinds of images are missing: {drawn['covered']:.0f} of {real['covered']:.0f} classes are drawn, "
            f"with {drawn['entropy']:.1%} of the entropy that real ones have."
        )
        return [Finding(missing, f"{change}.")]
    return []


def _still_falls(measures: list[dict[str, Any]]) -> bool:
    """Whether the last third of the measurements lies below what came before."""
    values = [row[_distance(measures)] for row in measures]
    third = len(values) // 3
    return third > 0 and fmean(values[-third:]) < FALLING * fmean(values[-2 * third : -third])


def _distance(measures: list[dict[str, Any]]) -> str:
    return "fcd" if measures and "fcd" in measures[0] else "frechet"


def _divergence(rows: list[dict[str, Any]], late: list[dict[str, Any]], objective: str) -> list[Finding]:
    found = []
    early = rows[len(rows) // LAST : 2 * len(rows) // LAST]
    # The loss of a Wasserstein generator has no zero: it says nothing by itself.
    for player in ("discriminator",) if objective == "wasserstein" else ("discriminator", "generator"):
        now = median(abs(row[player]) for row in late)
        before = median(abs(row[player]) for row in early) if early else now
        if isfinite(now) and now > LARGE and now > GROWN * before:
            found.append(
                Finding(
                    f"The loss of the {player} diverges: {before:.3g} early, {now:.3g} now.",
                    "Use a smaller --learning-rate, or a gradient penalty (wgan_gp, or --r1 1).",
                )
            )
    return found


def _decline(measures: list[dict[str, Any]]) -> list[Finding]:
    if len(measures) < 2:
        return []
    key = _distance(measures)
    best = min(measures, key=lambda row: row[key])
    final = measures[-1][key]
    if final <= SPENT * best[key]:
        return []
    return [
        Finding(
            f"It was better before: the distance was {best[key]:.3g} after {best['images']:,} images and is "
            f"{final:.3g} at the end.",
            f"Stop at --images {best['images']}, or average the generator: --half-life 20000.",
        )
    ]
