"""The StyleGAN study in miniature, and its experiments against closed forms."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from docx import Document

import sfumato
from sfumato.data.dataset import ImageData
from sfumato.data.sources import View, open_data
from sfumato.gans import game
from sfumato.metrics import judges
from sfumato.studies.plan import Plan
from sfumato.studies.style_gan import experiments, measures, plans
from tests.studies.conftest import first_of

RUNS = {"progan", "stylegan", "fixed", "stylegan2", "eager", "free"}
FIGURES = {
    "drawn", "growing", "maps-stylegan", "maps-stylegan2", "square", "mixing", "truncation", "stochastic", "noise",
    "path-lengths", "walks",
}  # fmt: skip
FILMS = {"walk-stylegan", "walk-stylegan2"}
NARROW = {"base": 64, "widest": 8, "latent": 16, "batch_size": 8}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images, steps and maps, so that the whole study takes seconds."""

    def opened(source: str, view: View) -> ImageData:
        whole = open_data(source, view)
        return replace(
            whole, train=first_of(whole.train, 120), test=first_of(whole.test, 24), fingerprint=f"tiny {source}"
        )

    monkeypatch.setattr(plans, "open_data", opened)
    monkeypatch.setattr(plans, "QUICK", 128)
    monkeypatch.setattr(measures, "PATHS", {False: 20})
    monkeypatch.setattr(measures, "SORTED", {False: 60})
    monkeypatch.setattr(measures, "FRAMES", 3)
    monkeypatch.setattr(experiments, "STEPS", {False: 5})
    monkeypatch.setattr(game.Adversarial, "looks", 2)
    monkeypatch.setattr(judges, "_JUDGES", {})
    whole = plans.plans

    def narrow(*arguments: Any) -> list[Plan]:
        return [replace(plan, fields={**plan.fields, **NARROW}) for plan in whole(*arguments)]

    monkeypatch.setattr(plans, "plans", narrow)


@pytest.mark.usefixtures("tiny")
def test_the_study_whole_then_again_in_chinese(tmp_path: Path, tell_again: Callable[[str], list[str]]) -> None:
    results = sfumato.study("style-gan", out=tmp_path, precision="fp32")
    assert json.loads((tmp_path / "results.json").read_text()) == results
    names = [row["name"] for row in results["rows"]]
    assert tell_again("style-gan") == names
    assert len(names) == len(set(names))
    assert all(np.isfinite(row["measured"]) for row in results["rows"])
    assert {path.name for path in (tmp_path / "runs").iterdir()} == RUNS
    shown = {f"{name}.png" for name in FIGURES} | {f"{name}.webp" for name in FILMS}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == shown
    assert len(Document(str(tmp_path / "report.docx")).inline_shapes) == len(shown)
    again = sfumato.study("style-gan", out=tmp_path, precision="fp32", language="zh")
    assert [row["measured"] for row in again["rows"]] == pytest.approx([row["measured"] for row in results["rows"]])
    assert "水滴" in (tmp_path / "report.html").read_text()


def test_photographs_are_taken_at_64_pixels_and_all_architectures_at_full_scale() -> None:
    full = plans.plans("photographs", full=True)
    architectures = [plan for plan in full if "generator_network" in plan.fields]
    assert len(architectures) == 8, "nine, one of which is the paper's"
    for plan in full:
        assert plan.system.endswith(":photographs")


def test_what_stays_in_place() -> None:
    torch.manual_seed(0)
    still = torch.rand(1, 1, 16, 16).expand(10, -1, -1, -1)
    found = measures.walked(still)
    assert found.fine == pytest.approx(1, abs=1e-5)
    assert found.coarse == pytest.approx(1, abs=1e-5)
    moving = measures.walked(torch.rand(400, 1, 16, 16))
    assert moving.fine < 0.02
    assert moving.coarse < 0.02


def test_a_detour_is_the_length_of_a_way_over_the_straight_one() -> None:
    turn = torch.linspace(0, torch.pi, 200)
    half_circles = torch.stack([turn.cos(), turn.sin()], 1)[None].expand(5, -1, -1)
    assert experiments.detour(half_circles) == pytest.approx(torch.pi / 2, rel=1e-3)
    ends = torch.randn(2, 5, 2)
    assert experiments.detour(experiments.between(ends[0], ends[1])) == pytest.approx(1, rel=1e-4)


def test_noise_lies_evenly_on_the_disc_and_a_corner_is_missing() -> None:
    generator = torch.Generator().manual_seed(0)
    places = experiments.on_disc(torch.randn(20_000, 2, generator=generator))
    assert float((places.norm(dim=1) < 0.5).float().mean()) == pytest.approx(0.25, abs=0.01)
    points = experiments.corner_missing(9_000, generator)
    assert len(points) == 9_000
    assert not bool((points > 0).all(1).any())
    assert float((points[:, 0] < 0).float().mean()) == pytest.approx(2 / 3, abs=0.02)
