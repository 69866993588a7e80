"""Bringing models in: the command, and what it refuses."""

import argparse
import inspect
import pickle
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from torch import Tensor, nn

import sfumato
from sfumato import cli
from sfumato.errors import SfumatoError
from sfumato.runs.bring import PEERS, names_in

from ..weights.adapters.test_pytorch_dcgan import checkpoint
from ..weights.adapters.test_stylegan2_pytorch import checkpoint as styled


@pytest.fixture
def values() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return checkpoint()


def test_the_command_names_every_peer() -> None:
    (literal, _) = get_args(get_type_hints(cli.bring)["peer"])
    assert get_args(literal) == tuple(PEERS)
    page = (Path(__file__).parents[2] / "docs" / "bringing-in.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in PEERS)
    assert all(inspect.getdoc(adapter) for adapter in PEERS.values())


def test_a_model_from_the_command_line(
    tmp_path: Path, values: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(values, tmp_path / "netG.pth")
    cli.main(["import", str(tmp_path / "netG.pth"), "--as", "pytorch-dcgan", "--run", str(tmp_path / "run")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "run")
    cli.main(["sample", str(tmp_path / "run"), "-n", "4", "-o", str(tmp_path / "out.png"), "--device", "cpu"])
    assert (tmp_path / "out.png").is_file()
    run = sfumato.open(tmp_path / "run", "cpu")
    kept = run.system.state_dict()
    assert torch.equal(kept["generator.1.weight"], values["main.0.weight"])  # to the last bit
    with pytest.raises(SfumatoError, match="knows no data: give some with --data"):
        _ = run.data
    with pytest.raises(SfumatoError, match="is there already"):
        sfumato.bring_in(tmp_path / "netG.pth", run=tmp_path / "run")


def changed(values: dict[str, Tensor], **change: Tensor | None) -> dict[str, Tensor]:
    whole = values | {name.replace("_", "."): value for name, value in change.items() if value is not None}
    return {name: value for name, value in whole.items() if change.get(name.replace(".", "_"), value) is not None}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"main_0_weight": None}, "of none of the peers that are known: pytorch-adain"),
        ({"main_4_bias": None}, "as pytorch-dcgan: holds no main.4.bias"),
        (
            {"main_15_weight": torch.ones(2)},
            "as pytorch-dcgan: holds 'main.15.weight', which that network does not have",
        ),
        ({"main_3_weight": torch.ones(32, 16, 5, 5)}, "does not become a dcgan: 1 weights differ, generator.4.weight"),
        ({"main_12_weight": torch.ones(3)}, "holds tensors of other shapes"),
        ({"main_12_weight": torch.ones(4, 2, 4, 4)}, "dcgan: "),
        ({"main_0_weight": torch.full((7, 32, 4, 4), torch.nan)}, "not a file of finite weights"),
    ],
)
def test_another_network_is_one_line(
    tmp_path: Path, values: dict[str, Tensor], change: dict[str, Tensor | None], reason: str
) -> None:
    torch.save(changed(values, **change), tmp_path / "netG.pth")
    with pytest.raises(SfumatoError) as caught:
        sfumato.bring_in(tmp_path / "netG.pth", run=tmp_path / "run")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_pickle_that_needs_code_is_refused_with_a_way(tmp_path: Path, values: dict[str, Tensor]) -> None:
    for number, content in enumerate(({"g_ema": values, "args": argparse.Namespace()}, nn.Linear(2, 2))):
        torch.save(content, tmp_path / f"{number}.pt")
        with pytest.raises(SfumatoError, match="weights_only=False") as caught:
            sfumato.bring_in(tmp_path / f"{number}.pt", run=tmp_path / "run")
        assert "\n" not in str(caught.value)


def test_names_of_classes(tmp_path: Path, values: dict[str, Tensor]) -> None:
    from torchvision import models

    torch.save(models.squeezenet1_1(num_classes=2).state_dict(), tmp_path / "two.pth")
    torch.save(values, tmp_path / "netG.pth")
    (tmp_path / "names.txt").write_text("ant\nbee\n")
    words = ["--run", str(tmp_path / "run"), "--classes", str(tmp_path / "names.txt")]
    cli.main(["import", str(tmp_path / "two.pth"), *words])
    assert sfumato.open(tmp_path / "run", "cpu").classes == ("ant", "bee")
    with pytest.raises(SfumatoError, match="3 names, and it tells apart 2"):
        sfumato.bring_in(tmp_path / "two.pth", run=tmp_path / "other", classes=["a", "b", "c"])
    with pytest.raises(SfumatoError, match="tells nothing apart"):
        sfumato.bring_in(tmp_path / "netG.pth", run=tmp_path / "other", classes=["a"])


@pytest.mark.parametrize(
    "odd",
    [
        {"main.0.weight": torch.zeros(1).expand(3 * 10**9)},  # twelve gigabytes, if anybody looked at all of them
        {"main.0.weight": torch.full((100, 16, 4, 4), 1e200, dtype=torch.float64)},
        {"main.0.weight": torch.zeros(100, 16, 4, 4, dtype=torch.complex64)},
        {"main.0.weight": torch.zeros(100, 16, 4, 4, dtype=torch.bool)},
        {"main.1.running_var": torch.full((16,), -1.0)},
    ],
    ids=["repeated", "beyond fp32", "complex", "bool", "variance"],
)
def test_what_no_network_holds_is_refused(tmp_path: Path, values: dict[str, Tensor], odd: dict[str, Tensor]) -> None:
    torch.save({**values, **odd}, tmp_path / "netG.pth")
    with pytest.raises(SfumatoError, match=r"netG\.pth': not a file of finite weights"):
        sfumato.bring_in(tmp_path / "netG.pth", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tensors_without_numbers_are_of_other_shapes(tmp_path: Path) -> None:
    torch.save({"g_ema": {**styled(), "style.1.weight": torch.ones(6, 0)}}, tmp_path / "x.pt")
    with pytest.raises(SfumatoError, match="as stylegan2-pytorch: holds tensors of other shapes"):
        sfumato.bring_in(tmp_path / "x.pt", run=tmp_path / "run")


def test_parameters_and_what_lies_around_them(tmp_path: Path, values: dict[str, Tensor]) -> None:
    inner = {f"module.{name}": nn.Parameter(value, value.is_floating_point()) for name, value in values.items()}
    torch.save({"state_dict": inner, "global_step": torch.tensor(5), "epoch": 3}, tmp_path / "netG.pth")
    sfumato.bring_in(tmp_path / "netG.pth", run=tmp_path / "run")
    kept = sfumato.open(tmp_path / "run", "cpu").system.state_dict()
    assert torch.equal(kept["generator.1.weight"], values["main.0.weight"])


@pytest.mark.filterwarnings("default")
def test_a_plain_pickle_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pth").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(SystemExit):
        cli.main(["import", str(tmp_path / "x.pth"), "--run", str(tmp_path / "run")])
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("\ufeffcat\ndog\n".encode(), ["cat", "dog"]),
        ("\u732b\r\n\u72d7\r\n\r\n".encode("gb18030"), ["\u732b", "\u72d7"]),
        ("a\u2028b\ncaf\u00e9".encode(), ["a\u2028b", "caf\u00e9"]),
    ],
)
def test_names_are_read_in_their_code_page(tmp_path: Path, content: bytes, names: list[str]) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    assert names_in(tmp_path / "names.txt") == names
    (tmp_path / "names.txt").write_bytes(b"\n\n")
    with pytest.raises(SfumatoError, match=r"names\.txt: holds no names"):
        names_in(tmp_path / "names.txt")
