"""The translation study in miniature, with pictures and pairs beside the digits."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from docx import Document
from PIL import Image

import sfumato
from sfumato.data.dataset import ImageData
from sfumato.errors import SfumatoError
from sfumato.studies.plan import Plan
from sfumato.studies.translation import plans
from sfumato.translation.translator import Translator
from tests.studies.conftest import first_of

DIGITS = {
    "cyclegan", "game", "cycle", "identity", "whole", "discogan", "dualgan", "hidden", "noisy",
}  # fmt: skip
PICTURES = {"pictures", "pictures-identity", "pairs", "pairs-identity"}
FIGURES = {
    "why", "within", "papers", "papers-to-a", "papers-to-b", "hiding", "failed-cyclegan", "failed-pictures",
    "failed-pairs",
    *(f"{name}-{side}" for name in ("pictures", "pairs") for side in "ab"),
}  # fmt: skip


def few(data: ImageData) -> ImageData:
    assert data.second is not None
    second = replace(data.second, train=first_of(data.second.train, 24), test=first_of(data.second.test, 6))
    first = replace(data, train=first_of(data.train, 24), test=first_of(data.test, 6), second=second)
    return replace(first, fingerprint=f"few {data.fingerprint}")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images, narrow networks, so that the whole study takes seconds."""
    whole, opened = plans.digits, plans.opened_for

    def narrow(plan: Plan) -> Plan:
        small: dict[str, Any] = {"width": 4, "batch_size": 4}
        return replace(plan, fields={**plan.fields, **small, **({"blocks": 1} if "cyclegan" in plan.system else {})})

    monkeypatch.setattr(plans, "opened_for", lambda *names, **fields: few(opened(*names, **fields)))
    monkeypatch.setattr(plans, "QUICK", 32)
    monkeypatch.setattr(plans, "PICTURES", 16)
    monkeypatch.setattr(plans, "digits", lambda *arguments: [narrow(plan) for plan in whole(*arguments)])
    on_pictures = plans.on_pictures
    monkeypatch.setattr(plans, "on_pictures", lambda *arguments: [narrow(plan) for plan in on_pictures(*arguments)])
    monkeypatch.setattr(Translator, "looks", 2)


def pairs(root: Path) -> Path:
    random = np.random.default_rng(len(root.name))
    for half, count in (("train", 24), ("test", 6)):
        for side in "AB":
            for number in range(count):
                path = root / f"{half}{side}" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(random.integers(0, 256, (72, 72, 3), dtype=np.uint8)).save(path)
    return root


@pytest.mark.usefixtures("tiny")
def test_the_study_whole_then_again_in_chinese(tmp_path: Path, tell_again: Callable[[str], list[str]]) -> None:
    data = ("inks", "papers", *(str(pairs(tmp_path / name)) for name in ("two kinds", "partners")))
    out = tmp_path / "out"
    results = sfumato.study("translation", out=out, data=data, precision="fp32")
    assert json.loads((out / "results.json").read_text()) == results
    names = [row["name"] for row in results["rows"]]
    assert tell_again("translation") == names
    assert len(names) == len(set(names))
    assert all(np.isfinite(row["measured"]) for row in results["rows"])
    assert {path.name for path in (out / "runs").iterdir()} == DIGITS | PICTURES
    shown = {path.stem for path in (out / "figures").iterdir()}
    assert shown == FIGURES
    assert len(Document(str(out / "report.docx")).inline_shapes) == len(shown)
    again = sfumato.study("translation", out=out, data=data, precision="fp32", language="zh")
    assert [row["measured"] for row in again["rows"]] == pytest.approx([row["measured"] for row in results["rows"]])
    assert "循环藏了什么" in (out / "report.html").read_text()


@pytest.mark.parametrize("data", [("inks",), ("inks", "papers", "a", "b", "c")])
def test_too_few_and_too_many_sources_are_refused(data: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="study translation takes 2 to 4, not"):
        sfumato.study("translation", out=tmp_path, data=data)


def test_every_run_differs_from_the_first_in_what_it_is_called_by() -> None:
    inks, papers = (plans.opened_for(plans.INKS, name) for name in ("inks", "papers"))
    found = {plan.name: plan for plan in plans.digits(("inks", inks), ("papers", papers), full=True)}
    assert found.keys() == {*DIGITS, "averaged", "poolless"}
    assert all(plan.on is not None for plan in found.values())
    assert torch.equal(inks.train.images(), papers.train.images())
    alone = {
        name: plan.fields for name, plan in found.items() if plan.system == plans.INKS and plan.on == ("inks", inks)
    }
    first = alone.pop("cyclegan")
    for name, fields in alone.items():  # but for how often it is measured on the way
        assert len((fields.items() - first.items()) - {("measure_every", fields["measure_every"])}) == 1, name
