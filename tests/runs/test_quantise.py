"""Models in 8 bits: a quarter of the bytes, and what they cost said and true."""

import re
from pathlib import Path

import numpy as np
import pytest

import sfumato
from sfumato.errors import SfumatoError
from sfumato.runs.portable import export
from sfumato.runs.quantise import WAYS

ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
SMALL = {"evaluate": False, "precision": "fp32", "device": "cpu"}


def test_kept_weights_are_rounded_by_half_a_step_at_most() -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 3)).astype("float32")
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g", [value("x", 1, ["n", 3])], [value("y", 1, ["n", 4])], [onnx.numpy_helper.from_array(weights, "w")]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    made = ort.InferenceSession(WAYS["weights"](model.SerializeToString(), {}))
    (found,) = made.run(None, {"x": np.eye(3, dtype="float32")})
    step = abs(weights).max(1, keepdims=True) / 127
    assert (abs(found.T - weights) <= step / 2 + 1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("stacked", {"images": 4_000}, r"psnr (.*) -> (.*) dB, N = 360 test images"),
        ("finetune", {"data": "faces", "images": 200}, r"accuracy (.*)% -> (.*)%, N = \d+ test images"),
        ("gan", {"images": 64}, r"images: mean difference (.*), largest (.*), .* dB; N = 1,000"),
    ],
)
def test_it_is_smaller_and_says_what_that_cost(
    tmp_path: Path, name: str, options: dict[str, object], said: str
) -> None:
    run = sfumato.train(name, run=tmp_path / "run", **{**SMALL, **options})
    whole = list(export(run, tmp_path / "whole.onnx"))
    lines = [str(line) for line in export(run, tmp_path / "small.onnx", int8=True)]
    found = re.search(said, lines[-1])
    assert found, lines
    if name != "gan":
        assert abs(float(found[1]) - float(found[2])) < 1
    assert all("MB" in line and "ms an image" in line for line in lines[len(whole) : -1])
    for one in whole:
        smaller = one.path.with_name(one.path.name.replace("whole", "small"))
        assert smaller.stat().st_size < 0.6 * one.path.stat().st_size


def test_it_needs_the_data_and_onnx(tmp_path: Path) -> None:
    from sfumato.runs.quantise import TESTED, inputs_of

    run = sfumato.train("stacked", run=tmp_path / "run", images=64, **SMALL)
    with pytest.raises(SfumatoError, match=r"--int8 is for \.onnx"):
        list(export(run, tmp_path / "m.pt2", int8=True))
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"digits"\n', '"nowhere"\n'))
    gone = sfumato.open(tmp_path / "run", "cpu")
    with pytest.raises(SfumatoError, match=r"--int8 is settled and measured on the run's data: .*nowhere"):
        inputs_of(gone, gone.system.portable()[0], True, TESTED)
