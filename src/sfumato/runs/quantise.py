"""Eight bits instead of 32: ONNX files quantised, and what that costs, measured on the run's own data.

Four ways are tried, and the first is taken that costs next to nothing, else the one that costs least, by training
images: test images measure what was taken. `extremes` and
`percentiles` compute convolutions and products in 8 bits, with scales of activations that training images settle;
`dynamic` finds these at every call, for products alone; `weights` are kept in 8 bits and computed with in 32.
"""

import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from ..engine.portable import Portable
from ..errors import SfumatoError
from ..style.network import prepared
from .open import Run

CALIBRATED, TESTED = (128, 2**22), (1_000, 2**24)  # images, and numbers in them, at most
TIMED = 15  # calls
LITTLE = 0.01  # of a cost
DECIBELS = 20.0  # of a cost of 1
OPERATIONS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
SMALLER = 0.6  # of the bytes before, at most: else hardly anything was quantised
Values = dict[str, Tensor]
Computing = Callable[[Values], list[Tensor]]


@dataclass(frozen=True)
class Quantised:
    """`contents`: of the files, by the names of the parts. `said`: what it cost, a line for each part and one for the
    whole, which names the way that was taken."""

    contents: Mapping[str, bytes]
    said: Sequence[str]


def quantised(run: Run, contents: Mapping[str, bytes]) -> Quantised:
    """The ONNX files of the run's parts, by their names, in 8 bits. Raises SfumatoError where it needs data that are
    not there."""
    parts = {part.name: part for part in run.system.portable()}
    calibration, trials, tests = (
        {name: inputs_of(run, part, tested, most) for name, part in parts.items()}
        for tested, most in ((False, CALIBRATED), (False, TESTED), (True, TESTED))
    )
    before = {name: _session(content) for name, content in contents.items()}
    tries = []
    for how, quantise in WAYS.items():
        made = {name: quantise(content, calibration[name]) for name, content in contents.items()}
        if sum(map(len, made.values())) > SMALLER * sum(map(len, contents.values())):
            continue
        after = {name: _session(content) for name, content in made.items()}
        tries.append((_measured(run, parts, trials, False, before, after)[0], how, made, after))
        if tries[-1][0] <= LITTLE:
            break
    if not tries:
        raise SfumatoError(f"{run.path}: --int8: hardly anything of {run.system_name} can be computed in 8 bits")
    _, how, made, after = min(tries, key=lambda one: one[0])
    words = _measured(run, parts, tests, True, before, after)[1]
    said = []
    for name, content in made.items():
        first = {key: value[:1] for key, value in tests[name].items()}
        sizes = f"{len(contents[name]) / 1e6:.2f} -> {len(content) / 1e6:.2f} MB"
        speed = f"{_seconds(before[name], first) * 1e3:.2f} -> {_seconds(after[name], first) * 1e3:.2f} ms an image"
        said.append(f"{name or run.system_name}: {sizes}, {speed}")
    return Quantised(made, [*said, f"{how}: {words}"])


def inputs_of(run: Run, part: Portable, tested: bool, most: tuple[int, int]) -> Values:
    """What the part is given by a run's test images, or by its training images: by the names of its inputs. `most`:
    images, and numbers in them."""
    size = max(value[0].numel() for value in part.inputs.values())
    count = max(1, min(most[0], most[1] // size))
    if "latents" in part.inputs:
        drawn = {"latents": run.system.latents(count, torch.Generator().manual_seed(int(tested)))}
        return drawn | ({"labels": torch.arange(count) % run.config.classes} if "labels" in part.inputs else {})
    try:
        data = run.data
    except SfumatoError as error:
        raise SfumatoError(f"--int8 is settled and measured on the run's data: {error}") from None
    sides = [data, data.second or data]
    first, second = (side.test if tested else side.train for side in sides)
    count = min(count, len(first), len(second))
    images, others = (split.images(split.spread(count)) for split in (first, second))
    if "codes" in part.inputs:
        with torch.no_grad():
            return {"codes": run.system.portable()[0].module()(images)}
    if "content" in part.inputs:
        given = prepared(images, others, torch.arange(count))[1] if part.settings else images
        return {"content": given, "style": others}
    return {name: others if name == "b" else images for name in part.inputs}


def _session(content: bytes) -> Computing:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda given: [
        torch.from_numpy(value) for value in session.run(None, {name: value.numpy() for name, value in given.items()})
    ]


def _all(compute: Computing, given: Values) -> list[Tensor]:
    """Of many inputs, a few at once."""
    count = len(next(iter(given.values())))
    chunks = [compute({name: value[at : at + 8] for name, value in given.items()}) for at in range(0, count, 8)]
    return [torch.cat(parts) for parts in zip(*chunks, strict=True)]


def _seconds(compute: Computing, given: Values) -> float:
    """Of a call."""
    took = []
    for _ in range(TIMED):
        begun = time.perf_counter()
        compute(given)
        took.append(time.perf_counter() - begun)
    return median(took)


def _measured(
    run: Run, parts: Mapping[str, Portable], tests: Mapping[str, Values], tested: bool,
    before: Mapping[str, Computing], after: Mapping[str, Computing],
) -> tuple[float, str]:  # fmt: skip
    """What the files after cost by `tests`, of the test images or the training images, as a share, and in words."""
    name, part = next(iter(parts.items()))
    count = len(next(iter(tests[name].values())))
    if run.system.encodes:
        images = tests["encoder"]["images"]
        both = [
            _psnr(_all(files["decoder"], {"codes": _all(files["encoder"], {"images": images})[0]})[0], images)
            for files in (before, after)
        ]
        return (both[0] - both[1]) / DECIBELS, f"psnr {both[0]:.2f} -> {both[1]:.2f} dB, N = {count:,} test images"
    split = run.system.names_classes and (run.data.test if tested else run.data.train)
    if part.outputs == ("probabilities",) and split and (labels := split.labels) is not None:
        rows = split.spread(count)
        right = [
            float((_all(files[name], tests[name])[0].argmax(1) == labels[rows]).float().mean())
            for files in (before, after)
        ]
        return right[0] - right[1], f"accuracy {right[0]:.1%} -> {right[1]:.1%}, N = {count:,} test images"
    worst, words = 0.0, []
    for name, part in parts.items():
        for output, ours, theirs in zip(
            part.outputs, _all(before[name], tests[name]), _all(after[name], tests[name]), strict=True
        ):
            gap = (ours - theirs).abs()
            worst = max(worst, float(gap.mean() / ours.abs().mean()))
            words.append(f"{output}: mean difference {gap.mean():.1e}, largest {gap.max():.1e}")
            if ours.dim() == 4 and output != "logits":
                words[-1] += f", {_psnr(theirs, ours):.1f} dB"
    return worst, f"{'; '.join(words)}; N = {count:,}"


def _psnr(images: Tensor, owed: Tensor) -> float:
    """In dB, the mean over images in [0, 1]."""
    return float((-10 * (images - owed).square().flatten(1).mean(1).clamp_min(1e-12).log10()).mean())


def _static(method: str, content: bytes, given: Values) -> bytes:
    from onnxruntime import quantization as tools

    class Given(tools.CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter(range(len(next(iter(given.values())))))

        def get_next(self) -> Any:
            row = next(self.rows, None)
            return None if row is None else {name: value[row : row + 1].numpy() for name, value in given.items()}

    def quantise(before: Path, after: Path) -> None:
        tools.quantize_static(
            before, after, Given(), quant_format=tools.QuantFormat.QDQ, op_types_to_quantize=list(OPERATIONS),
            per_channel=True, activation_type=tools.QuantType.QUInt8, weight_type=tools.QuantType.QInt8,
            calibrate_method=tools.CalibrationMethod[method], extra_options={"CalibPercentile": 99.99},
        )  # fmt: skip

    return _by_files(content, quantise)


def _dynamic(content: bytes, given: Values) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def quantise(before: Path, after: Path) -> None:
        quantize_dynamic(before, after, ["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8)

    return _by_files(content, quantise)


def _weights(content: bytes, given: Values) -> bytes:
    """Each weight of a convolution or a product as whole numbers, with a scale for each row."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(content)
    graph, used = model.graph, {node.input[1] for node in model.graph.node if node.op_type in OPERATIONS}
    for kept in [one for one in graph.initializer if one.name in used]:
        value = numpy_helper.to_array(kept)
        scale = abs(value).max(axis=tuple(range(1, value.ndim)), keepdims=True).clip(1e-12) / 127
        whole, parts = (value / scale).round().astype("int8"), [f"{kept.name}_{end}" for end in ("int8", "scale")]
        graph.initializer.extend(map(numpy_helper.from_array, (whole, scale.ravel()), parts))
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", parts, [kept.name], axis=0))
        graph.initializer.remove(kept)
    return model.SerializeToString()


WAYS: Mapping[str, Callable[[bytes, Values], bytes]] = {
    "extremes": partial(_static, "MinMax"),
    "percentiles": partial(_static, "Percentile"),
    "dynamic": _dynamic,
    "weights": _weights,
}


def _by_files(content: bytes, quantise: Callable[[Path, Path], None]) -> bytes:
    """ONNX Runtime's tools go by files, and say much."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    before = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            first, ready, after = (Path(folder) / name for name in ("first.onnx", "ready.onnx", "after.onnx"))
            first.write_bytes(content)
            quant_pre_process(first, ready, skip_symbolic_shape=True)
            quantise(ready, after)
            return after.read_bytes()
    finally:
        logging.root.setLevel(before)
