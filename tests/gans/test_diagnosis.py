"""The run doctor: silent on a good run, and on each bad one the number and the mend."""

import re
from typing import Any

import pytest
import torch

from sfumato.family import History
from sfumato.gans import dcgan, gan, wgan
from sfumato.gans.diagnosis import diagnose
from sfumato.gans.game import Adversarial, diversity
from sfumato.metrics.table import Evaluation, Words, rows_of
from sfumato.reports.language import CJK, Language, Speaker


def logged(**values: float) -> list[dict[str, Any]]:
    usual = {"real": 0.7, "fake_before": 0.3, "diversity": 0.95, "generator": 1.0, "discriminator": 1.0}
    return [{**usual, **values, "images": index} for index in range(10)]


def fine(covered: float = 10, entropy: float = 0.99) -> Evaluation:
    rows = [
        *rows_of({"covered": covered, "entropy": entropy}, 8),
        *rows_of({"covered": 10, "entropy": 1.0}, 8, "floor"),
    ]
    words = Words("", "")
    return Evaluation(data="", fingerprint="", images=8, resolution=28, rows=tuple(rows), names={}, note=words)


def examined(system: Adversarial, rows: Any, measures: Any, evaluation: Evaluation, language: Language = "en") -> Any:
    history = History({}, rows, measures)
    return diagnose(system, history, evaluation, Speaker(language))


def test_the_doctor_finds_nothing_in_a_good_run() -> None:
    measures = [{"images": index, "fcd": 10.0 - index} for index in range(6)]
    assert examined(gan.GAN(gan.Config()), logged(), measures, fine()) == []


@pytest.mark.parametrize(
    ("rows", "measures", "evaluation", "objective", "words", "change"),
    [
        (logged(real=0.99, fake_before=0.01), [], fine(), "minimax", "99.0%", "--objective non_saturating"),
        (logged(real=0.99, fake_before=0.01), [], fine(), "non_saturating", "has won", "--r1 1"),
        (logged(real=0.51, fake_before=0.49), [], fine(), "non_saturating", "cannot tell", "--discriminator-steps 2"),
        (logged(diversity=0.1), [], fine(), "hinge", "differ 10%", "wgan_gp"),
        (logged(), [], fine(6), "hinge", "6 of 10 classes", "cgan"),
        (logged(), [], fine(10, 0.5), "hinge", "50.0% of the entropy", "cgan"),
        ([*logged()[:5], *logged(generator=900.0)[5:]], [], fine(), "least_squares", "1 early, 900 now", "--r1"),
        (logged(), [{"images": 7, "fcd": 2.0}, {"images": 9, "fcd": 5.0}], fine(), "hinge", "better before",
         "--images 7"),
    ],
)  # fmt: skip
def test_the_doctor_names_what_is_wrong_and_the_mend(
    rows: Any, measures: Any, evaluation: Any, objective: str, words: str, change: str
) -> None:
    system = gan.GAN(gan.Config(objective=objective))
    (finding,) = examined(system, rows, measures, evaluation)
    assert words in finding.finding
    assert change in finding.change
    (chinese,) = examined(system, rows, measures, evaluation, "zh")
    assert chinese.finding[0] >= CJK <= chinese.change[0]
    numbers = re.compile(r"\d+(?:[.,]\d+)*")
    assert sorted(numbers.findall(chinese.finding)) == sorted(numbers.findall(finding.finding))
    assert change in chinese.change


def test_a_critic_with_batch_norm_is_not_told_to_take_r1() -> None:
    system = dcgan.DCGAN(dcgan.Config(resolution=16, width=4))
    for rows in (logged(real=0.99, fake_before=0.01), [*logged()[:5], *logged(generator=900.0)[5:]]):
        (finding,) = examined(system, rows, [], fine())
        assert "--r1" not in finding.change


def test_a_young_run_is_told_to_go_on() -> None:
    measures = [{"images": index, "fcd": 100.0 - 10 * index} for index in range(6)]
    (finding,) = examined(wgan.WGAN(wgan.Config()), logged(diversity=0.1), measures, fine(3))
    assert finding.change.startswith("The distance still falls: train longer first")
    assert "wgan_gp" not in finding.change


def test_a_mean_of_logits_may_be_as_large_as_it_likes() -> None:
    """A hinge critic that has won leaves its opponent's loss on a plateau: that is no divergence."""
    rows = [*logged()[:2], *logged(generator=40.0)[2:]]
    assert examined(gan.GAN(gan.Config(objective="hinge")), rows, [], fine()) == []
    (finding,) = examined(
        gan.GAN(gan.Config(objective="hinge")), [*logged()[:5], *logged(discriminator=900.0)[5:]], [], fine()
    )
    assert "The loss of the discriminator diverges" in finding.finding


@pytest.mark.parametrize(
    ("fields", "rows", "measures", "advice"),
    [
        ({"augmented": True}, logged(diversity=0.1), [], "--augmented"),
        ({"r1": 1.0}, logged(real=0.99, fake_before=0.01), [], "--r1"),
        ({"half_life": 100}, logged(), [{"images": 7, "fcd": 2.0}, {"images": 9, "fcd": 5.0}], "--half-life"),
    ],
)
def test_what_is_on_already_is_not_advised(fields: Any, rows: Any, measures: Any, advice: str) -> None:
    (without,) = examined(gan.GAN(gan.Config()), rows, measures, fine())
    assert advice in without.change
    (with_it,) = examined(gan.GAN(gan.Config(**fields)), rows, measures, fine())
    assert advice not in with_it.change


def test_measures_of_another_network_or_other_data_are_no_part_of_the_curve() -> None:
    other = {"images": 5, "fcd": 1.0, "network": "another", "data": ""}
    mine = [{"images": at, "fcd": 4.0, "network": "", "data": ""} for at in (7, 9)]
    assert examined(gan.GAN(gan.Config()), logged(), [other, *mine], fine()) == []
    (finding,) = examined(gan.GAN(gan.Config()), logged(), [{**other, "network": ""}, *mine], fine())
    assert "better before" in finding.finding
    assert examined(gan.GAN(gan.Config()), logged(), [{**other, "network": "", "data": "x"}, *mine], fine()) == []


def test_one_image_for_each_class_is_collapse_though_the_batch_differs() -> None:
    torch.manual_seed(0)
    labels = torch.arange(40) % 4
    real, prototypes = torch.randn(40, 1, 4, 4), 3 * torch.randn(4, 1, 4, 4)
    one_each = prototypes[labels]
    assert float(diversity(one_each, real)) > 1
    assert float(diversity(one_each, real, labels)) == pytest.approx(0, abs=1e-5)
    assert float(diversity(2 * real + 7 * one_each, real, labels)) == pytest.approx(2, rel=1e-4)
