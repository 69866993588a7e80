"""Taking a model elsewhere: ONNX files, compared with PyTorch on the spot, and its own `.pt2` (extra `export`)."""

import io
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..engine.portable import Portable
from ..errors import SfumatoError
from ..files import check_place, json_of, write_bytes
from ..version import __version__
from .open import Run
from .quantise import quantised

OPSET = 18
FORMATS = (".onnx", ".pt2")


@dataclass(frozen=True)
class Exported:
    """A file, and the largest difference of what it computes from what the run does: on the example, and on a batch of
    another length and, where it may be, images of another size."""

    path: Path
    difference: float

    def __str__(self) -> str:
        return f"{self.path}  largest difference from PyTorch {self.difference:.1e}"


def export(run: Run, out: Path, int8: bool = False) -> Iterator[Exported | str]:
    """Writes each part of the run that other programs can compute: to `out`, or with the part's name before its ending
    where there are several. `int8`: with weights of 8 bits; then gives lines on what that cost. Raises SfumatoError for
    a run that has no parts, or an ending that is none."""
    if out.suffix not in FORMATS:
        raise SfumatoError(f"{out}: models are written as {' or '.join(FORMATS)}")
    if int8 and out.suffix != ".onnx":
        raise SfumatoError(f"{out}: --int8 is for .onnx, and for --to page")
    parts = {part.name: part for part in run.system.portable()}
    if not parts:
        raise SfumatoError(f"{run.path}: {run.system_name} has nothing that other programs could compute")
    needs(out.suffix)
    paths = {
        name: out.with_name(f"{out.stem}-{name}{out.suffix}" if name and len(parts) > 1 else out.name) for name in parts
    }
    for path in paths.values():
        check_place(path)
    write = onnx_of if out.suffix == ".onnx" else _pt2
    if int8:
        made = quantised(run, {name: write(part, _about(run, part)) for name, part in parts.items()})
        for name, content in made.contents.items():
            write_bytes(paths[name], content)
        yield from (*map(str, paths.values()), *made.said)
        return
    for name, part in parts.items():
        content = write(part, _about(run, part))
        write_bytes(paths[name], content)
        yield Exported(paths[name], compare(part, content, out.suffix))


def needs(suffix: str) -> None:
    """Raises SfumatoError where a package is not installed that writes files with that ending."""
    try:
        if suffix == ".onnx":
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise SfumatoError(f"export: needs {error.name}: pip install 'sfumato[export]'") from None


def _about(run: Run, part: Portable) -> dict[str, str]:
    """What is written into a file: how it is fed, and what it was made of."""
    known = {"sfumato": __version__, "system": run.system_name, "data": run.manifest.data.name}
    return {
        **known,
        "classes": json_of(list(run.classes)),
        **{f"about.{name}": text for name, text in part.about.items()},
        **{f"setting.{name}": str(value) for name, value in part.settings.items()},
    }


def _program(part: Portable) -> Any:
    batch = torch.export.Dim("n", min=1, max=4096)
    shapes = {}
    for name in part.inputs:
        axes: dict[int, Any] = {0: batch}
        if step := part.sized.get(name):
            axes |= {axis: step * torch.export.Dim(f"_{name}_{axis}", min=1, max=4096 // step) for axis in (2, 3)}
        shapes[name] = axes
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(part.module(), tuple(part.inputs.values()), dynamic_shapes=(tuple(shapes.values()),))


def onnx_of(part: Portable, about: Mapping[str, str]) -> bytes:
    """The content of an ONNX file, with `about` in its metadata."""
    import onnx

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            _program(part), input_names=list(part.inputs), output_names=list(part.outputs), opset_version=OPSET,
            dynamo=True, verbose=False,
        )  # fmt: skip
    assert made is not None
    model = made.model_proto
    for name, text in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, text
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _pt2(part: Portable, about: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    torch.export.save(_program(part), file, extra_files=dict(about))
    return file.getvalue()


def compare(part: Portable, content: bytes, suffix: str) -> float:
    """The largest difference of what a file computes."""
    module, largest = part.module(), 0.0
    for given in (dict(part.inputs), part.others()):
        with torch.no_grad():
            owed = module(*given.values())
        made = _run_onnx(content, given) if suffix == ".onnx" else _run_pt2(content, given)
        for ours, theirs in zip(owed if isinstance(owed, tuple) else (owed,), made, strict=True):
            largest = max(largest, float((ours - theirs).abs().max()))
    return largest


def _run_onnx(content: bytes, given: Mapping[str, Tensor]) -> list[Tensor]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    made = session.run(None, {name: value.numpy() for name, value in given.items()})
    return [torch.from_numpy(value) for value in made]


def _run_pt2(content: bytes, given: Mapping[str, Tensor]) -> list[Tensor]:
    with tempfile.NamedTemporaryFile(suffix=".pt2") as file, torch.no_grad():
        file.write(content)
        file.flush()
        made = torch.export.load(file.name).module()(*given.values())
    return list(made) if isinstance(made, tuple) else [made]
