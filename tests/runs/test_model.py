"""What is handed on of a run computes what the run does, without what only training needs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import sfumato
from sfumato.engine.fields import to_json
from sfumato.runs.catalog import CATALOG
from sfumato.runs.manifest import read_manifest
from sfumato.runs.model import write_model
from sfumato.weights.load import read_weights

OLD = Path(__file__).parent / "old" / "gans"
SMALL = {
    "cyclegan": {"resolution": 32, "width": 4, "blocks": 1, "patch": 16, "pool": 4, "half_life": 8},
    "stylegan2": {"resolution": 16, "base": 64, "widest": 8, "latent": 8, "mapping_layers": 1},
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("halved", [True, False])
def test_what_only_training_needs_stays_behind(tmp_path: Path, name: str, halved: bool) -> None:
    torch.manual_seed(0)
    entry = CATALOG[name]
    config = entry.config_class(**SMALL[name])
    system = entry.build(config).eval()
    manifest = replace(read_manifest(OLD), system=name, config=to_json(config))
    write_model(manifest, system, tmp_path / "model", halved)
    kept = read_weights(tmp_path / "model" / "model.safetensors")
    assert {name.split(".")[0] for name in kept} <= {"average", "average_a", "average_b"}
    found = sfumato.open(tmp_path / "model", "cpu").system.state_dict()
    for name, value in kept.items():
        assert value.dtype == (torch.float16 if halved else torch.float32) or not value.is_floating_point()
        torch.testing.assert_close(
            found[name], system.state_dict()[name], rtol=1e-3 if halved else 0, atol=1e-4 * halved
        )
