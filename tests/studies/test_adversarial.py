"""The adversarial study in miniature, and its theory against closed forms."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from docx import Document
from PIL import Image
from torch import nn

import sfumato
from sfumato.data.dataset import ImageData
from sfumato.data.points import ring
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.gans import game
from sfumato.metrics import judges
from sfumato.nets.players import MLPDiscriminator, lipschitz_bound
from sfumato.studies.adversarial import experiments, plans
from sfumato.studies.plan import Plan
from tests.studies.conftest import first_of

FIGURES = {
    "apart", "apart-gradients", "one-for-two", "one-for-two-plane", "two-losses", "turns", "optimal", "ring-modes",
    "lattice-modes", "saturation", "digits", "fcd", "digits-walk", "cgan", "cgan-two-terms", "cgan-two-headed",
    "dcgan-losses", "dcgan-beliefs", "beside", "dcgan-walk",
}  # fmt: skip
FILMS = {"ring", "lattice", "digits-film", "dcgan-film"}
RUNS = {
    "minimax", "nsgan", "nsgan-r1", "lsgan", "wgan", "wgan-gp", "wgan-gp-one-sided", "unconstrained", "sngan",
    "sn-regularised", "cgan", "cgan-two-terms", "cgan-two-headed", "dcgan-digits", "dcgan",
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images, steps and maps, so that the whole study takes seconds."""

    def opened(source: str, view: View) -> ImageData:
        whole = open_data(source, view if view.channels == 1 else replace(view, resolution=16))
        return replace(
            whole, train=first_of(whole.train, 120), test=first_of(whole.test, 24), fingerprint=f"tiny {source}"
        )

    monkeypatch.setattr(plans, "open_data", opened)
    monkeypatch.setattr(plans, "QUICK_IMAGES", 400)
    monkeypatch.setattr(plans, "QUICK_PICTURES", 64)
    monkeypatch.setattr(experiments, "TOY_STEPS", {False: experiments.TOY_FRAMES})
    monkeypatch.setattr(experiments, "LEARNT", {False: 30})
    monkeypatch.setattr(experiments, "BEATEN", {False: (0, 2)})
    monkeypatch.setattr(experiments, "TURNS", {False: 3})
    monkeypatch.setattr(game.Adversarial, "looks", 3)
    monkeypatch.setattr(game, "GLANCES", 2)
    monkeypatch.setattr(judges, "_JUDGES", {})
    whole = plans.plans

    def narrow(*arguments: Any) -> list[Plan]:
        few = {"dcgan-digits": {"width": 4}, "dcgan": {"width": 4, "resolution": 16}}
        return [replace(plan, fields={**plan.fields, **few.get(plan.name, {})}) for plan in whole(*arguments)]

    monkeypatch.setattr(plans, "plans", narrow)


@pytest.mark.usefixtures("tiny")
def test_the_study_whole_then_again_in_chinese(tmp_path: Path, tell_again: Callable[[str], list[str]]) -> None:
    results = sfumato.study("adversarial", out=tmp_path, precision="fp32")
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert tell_again("adversarial") == [row["name"] for row in results["rows"]]
    names = [row["name"] for row in results["rows"]]
    assert len(names) == len(set(names))
    assert all(np.isfinite(row["measured"]) for row in results["rows"])
    assert all(row["met"] is None for row in results["rows"]), "FID is another unit, and closed forms are no targets"
    assert {path.name for path in (tmp_path / "runs").iterdir()} == RUNS
    shown = {f"{name}.png" for name in FIGURES} | {f"{name}.webp" for name in FILMS}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == shown
    html = (tmp_path / "report.html").read_text()
    assert html.count('type="range"') == len(FILMS)
    assert "not MNIST" in html
    document = Document(str(tmp_path / "report.docx"))
    assert len(document.inline_shapes) == len(shown)

    states = {path: path.read_bytes() for path in tmp_path.glob("runs/*/state.json")}
    again = sfumato.study("adversarial", out=tmp_path, precision="fp32", language="zh")
    assert states == {path: path.read_bytes() for path in states}, "finished runs are taken as they are"
    assert [row["name"] for row in again["rows"]] == names
    assert [row["measured"] for row in again["rows"]] == pytest.approx([row["measured"] for row in results["rows"]])
    chinese = (tmp_path / "report.html").read_text()
    assert all(word in chinese for word in ("生成对抗网络", "精确率", "平均训练图像"))
    assert "real training images" not in chinese


def test_data_without_classes_is_refused(tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for shade in range(12):
        Image.new("L", (28, 28), 20 * shade).save(flat / f"{shade}.png")
    with pytest.raises(SfumatoError, match="flat': the first data set must have classes"):
        sfumato.study("adversarial", out=tmp_path, data=(str(flat), "digits"))
    with pytest.raises(SfumatoError, match="study adversarial takes 2, not 1"):
        sfumato.study("adversarial", out=tmp_path, data="digits")


def test_divergences_of_gaussians_moving_apart() -> None:
    values, slopes = experiments.moving_apart()
    assert values["js"][0] == pytest.approx(0, abs=1e-9)
    assert values["js"][-1] == pytest.approx(log(2), abs=1e-5)
    assert values["w"] == pytest.approx(experiments.SHIFTS.tolist(), abs=1e-6)
    assert slopes["js"][-1] < 1e-5
    assert slopes["w"][1:] == pytest.approx([1.0] * (len(values["w"]) - 1), abs=1e-6)


def test_forward_kl_matches_moments_and_reverse_kl_takes_a_peak() -> None:
    _, fits = experiments.fitted_gaussians()
    assert fits["forward"] == pytest.approx((0.0, (0.6**2 + 4) ** 0.5), abs=1e-3)
    assert fits["reverse"] == pytest.approx((2.0, 0.6), abs=0.02)


def test_the_learnt_discriminator_is_the_optimal_one() -> None:
    value, learnt, wanted = experiments.learnt_discriminator(1.0, 300, 0)
    near = (experiments.GRID > -3) & (experiments.GRID < 3)
    assert float((learnt - wanted)[near].abs().max()) < 0.05
    torch.testing.assert_close(wanted[near], torch.sigmoid(-2 * experiments.GRID[near]))
    assert value == pytest.approx(-0.712, abs=0.02)
    equal, *_ = experiments.learnt_discriminator(0.0, 300, 0)
    assert equal == pytest.approx(-2 * log(2), abs=0.01)


def test_a_discriminator_that_wins_silences_the_minimax_generator() -> None:
    images = open_data("digits").train.images(range(500))
    found, start = experiments.saturating(images, (0, 150), 0)
    assert start["start"] == pytest.approx((0.5, -0.5), abs=0.05)
    assert start["beaten"][0] < 0.05
    assert found["minimax"][0] == pytest.approx(found["non_saturating"][0], rel=0.2), "undecided, both are alike"
    assert found["minimax"][1] < found["minimax"][0]
    assert found["non_saturating"][1] > 10 * found["minimax"][1]


def test_on_a_plane_forward_kl_stands_between_the_peaks_and_reverse_kl_on_one() -> None:
    flat = experiments.fitted_on_a_plane()
    assert flat.means["forward"] == pytest.approx((0, 0), abs=1e-3)
    assert flat.means["reverse"] == pytest.approx((2, 1), abs=0.02)
    cell = float(experiments.FLAT[1] - experiments.FLAT[0]) ** 2
    assert float(flat.fits["forward"].sum()) * cell == pytest.approx(1, abs=0.01)


def test_an_update_moves_belief_on_the_same_images_as_its_player_wants() -> None:
    found = experiments.taking_turns(open_data("digits").train.images(range(500)), 20, 0)
    pairs = list(zip(found["before"], found["after"], found["answered"], strict=True))
    assert sum(after < before for before, after, _ in pairs) >= 18
    assert sum(answered > after for _, after, answered in pairs) >= 18


def test_the_product_of_norms_bounds_the_slope() -> None:
    critic = MLPDiscriminator(4, (16, 16))
    bound = lipschitz_bound(critic)
    points = torch.randn(500, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(points).sum(), points)
    assert bound is not None
    assert float(slope.norm(dim=1).max()) <= bound
    linear = nn.Sequential(nn.Linear(4, 1, bias=False))
    assert lipschitz_bound(linear) == pytest.approx(float(linear[0].weight.detach().norm()))
    assert lipschitz_bound(nn.Sequential(nn.Conv2d(1, 1, 3))) is None


@pytest.mark.slow
def test_smooth_critics_find_all_modes_of_a_ring() -> None:
    for name in ("WGAN-GP", "SNGAN"):
        game = experiments.play(experiments.TOYS[name], ring(), 1000, 0)
        assert max(game.covered) == 8, name
