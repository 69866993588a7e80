"""What an opened run makes of values."""

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch

import sfumato
from sfumato.autoencoders.codes import Codes
from sfumato.data.dataset import ImageData
from sfumato.errors import SfumatoError
from sfumato.seeds import derive


def test_codes_and_noise_are_drawn(tmp_path: Path, toy: ImageData) -> None:
    common = {"opened": toy, "images": 16, "batch_size": 8, "precision": "fp32", "evaluate": False}
    coded = sfumato.train("stacked", run=tmp_path / "stacked", widths=(8,), **common)
    space = Codes(coded, 4)
    assert torch.equal(coded.draw(space.codes), space.decode(space.codes))
    with pytest.raises(SfumatoError, match="is told no classes"):
        coded.draw(space.codes, torch.zeros(4, dtype=torch.int64))

    played = sfumato.train("cgan", run=tmp_path / "cgan", classes=2, hidden=(8,), measure_every=10**6, **common)
    noise = torch.randn(4, 100, generator=torch.Generator().manual_seed(derive(3, "sample")))
    assert torch.equal(played.draw(noise), played.sample(4, seed=3)), "each class in turn"
    assert torch.equal(played.draw(noise, torch.ones(4, dtype=torch.int64)), played.sample(4, seed=3, label=1))
    low, high = played.draw(noise).aminmax()
    assert 0 <= low < high <= 1


def test_what_draws_nothing_says_so(tmp_path: Path) -> None:
    run = sfumato.train("finetune", run=tmp_path / "run", images=8, batch_size=8, resolution=32, evaluate=False)
    with pytest.raises(SfumatoError, match="draws no images of its own"):
        run.draw(torch.zeros(1, 4))


@pytest.mark.parametrize("gone", [False, True])
def test_a_config_that_asks_for_gigabytes_is_refused_before_they_are_taken(
    tmp_path: Path, toy: ImageData, gone: bool
) -> None:
    path = tmp_path / "run"
    sfumato.train("stacked", run=path, opened=toy, widths=(8,), images=16, batch_size=8, evaluate=False)
    manifest = json.loads((path / "config.json").read_text())
    manifest["config"]["widths"] = [8192] * 64
    (path / "config.json").write_text(json.dumps(manifest))
    if gone:
        shutil.rmtree(path / "checkpoints")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SfumatoError, match="No such file" if gone else r"has shape \(8, 784\), must be \(8192, 784\)"):
        sfumato.open(path)
    with pytest.raises(SfumatoError, match="No such file" if gone else "does not fit"):
        sfumato.resume(path, opened=toy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100 * 1024


def test_a_run_of_before_a_refusal_opens_and_goes_on(tmp_path: Path, toy: ImageData) -> None:
    """R1 with batch norm is refused to new runs; older ones have it."""
    fields = {"network": "dcgan", "width": 2, "images": 80, "batch_size": 4, "measure_every": 10**6}
    with pytest.raises(SfumatoError, match=r"r1 0.1: this critic has batch norm"):
        sfumato.train("wgan", run=tmp_path / "new", opened=toy, r1=0.1, evaluate=False, **fields)
    assert not (tmp_path / "new").exists()
    path = tmp_path / "old"
    sfumato.train("wgan", run=path, opened=toy, evaluate=False, **fields)
    manifest = json.loads((path / "config.json").read_text())
    manifest["config"]["r1"] = 0.1
    (path / "config.json").write_text(json.dumps(manifest))
    assert sfumato.open(path).sample(2).shape == (2, 1, 28, 28)
    sfumato.resume(path, opened=toy, evaluate=False)
