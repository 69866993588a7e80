"""Models at the Hugging Face Hub: `hf://OWNER/NAME`, or `hf://OWNER/NAME@REVISION`, as a folder in the cache.

Only the files of FILES are fetched, each into a folder of its commit, and nothing larger than stands there. Addresses
(HF_ENDPOINT), tokens and the rest are as `huggingface_hub` has them. Importing this file imports neither it nor torch.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..cache import OFFLINE, cache_folder, check_online
from ..errors import SfumatoError
from ..files import write_atomically, write_bytes
from ..strict import MAX_BYTES
from ..terminal import warn
from ..version import __version__
from . import manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SCHEME = "hf:"
CARD, WEIGHTS = "README.md", "model.safetensors"
NEEDED = (manifest.NAME, WEIGHTS)
FILES = {manifest.NAME: manifest.MAX_BYTES, WEIGHTS: 4 * 2**30, CARD: 2**20, "evaluation.json": MAX_BYTES}  # bytes each
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")


def here(path: str | Path) -> Path:
    """The folder at `path`; of one at the hub, its copy in the cache, fetched if it is not there. Raises SfumatoError
    if it cannot be had."""
    first, *parts = Path(path).parts or ("",)
    if first != SCHEME:
        return Path(path)
    name, _, revision = "/".join(parts).partition("@")
    return _fetched(checked(name), revision or "main")


def checked(name: str) -> str:
    """Raises SfumatoError for what is no name of a repository."""
    if not REPOSITORY.fullmatch(name):
        raise SfumatoError(
            f"{name or 'hf://'}: models at the hub are called OWNER/NAME, or hf://OWNER/NAME@REVISION to open them"
        )
    return name


def hub() -> "HfApi":
    """The hub's own client. Raises SfumatoError if the extra is missing, or its settings are none."""
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        raise SfumatoError(f"hub: needs {error.name}: pip install 'sfumato[hub]'") from None
    except ValueError as error:  # it reads them when it is imported
        raise SfumatoError(f"hub: a variable of the environment, HF_..., is none that it knows: {error}") from None
    return HfApi(library_name="sfumato", library_version=__version__)


@contextmanager
def answering(name: str, endpoint: str) -> Iterator[None]:
    """Turns what goes wrong between here and the hub into a SfumatoError about the repository `name`."""
    from huggingface_hub import errors

    try:
        yield
    except SfumatoError:
        raise
    except errors.RevisionNotFoundError:
        raise SfumatoError(f"{name}: has no such revision at {endpoint}") from None
    except errors.RepositoryNotFoundError:
        raise SfumatoError(
            f"{name}: there is no such repository at {endpoint}, or it is not yours to open: "
            "`hf auth login`, or HF_TOKEN, says who you are"
        ) from None
    except errors.HfHubHTTPError as error:
        said = error.server_message or error.response.reason_phrase
        raise SfumatoError(f"{name}: {endpoint} answers {error.response.status_code}: {said}") from None
    except Exception as error:  # the client and what it is made of have errors of their own, others in each version
        if isinstance(error, OSError) and error.errno:
            raise
        raise SfumatoError(
            f"{name}: {endpoint} cannot be reached, or not understood ({type(error).__name__}: {error}); "
            "HF_HUB_OFFLINE=1 takes what was fetched before"
        ) from None


def _fetched(name: str, revision: str) -> Path:
    home = cache_folder("hub") / name.replace("/", "--")
    known = home / f"{quote(revision, safe='')}.commit"
    if offline():
        commit = revision if COMMIT.fullmatch(revision) else known.read_text() if known.is_file() else ""
        if not COMMIT.fullmatch(commit) or not (home / commit).is_dir():
            check_online(f"hf://{name}")
            raise SfumatoError(f"hf://{name}: not here, and HF_HUB_OFFLINE forbids to fetch it")
        return home / commit
    api = hub()
    with answering(name, api.endpoint):
        about = api.model_info(name, revision=revision, files_metadata=True)
    commit = str(about.sha)
    if not COMMIT.fullmatch(commit):
        raise SfumatoError(f"{name}: {api.endpoint} names no commit")
    if not (home / commit).is_dir():
        sizes = _sizes(name, about.siblings or ())
        warn(f"fetching {', '.join(sizes)} ({in_megabytes(sum(sizes.values()))}) from {api.endpoint}/{name}")
        write_atomically(home / commit, lambda beside: _fetch(api, name, commit, list(sizes), beside))
    write_bytes(known, commit.encode())
    return home / commit


def offline() -> bool:
    """Whether nothing may be fetched or sent. Raises SfumatoError if the extra is missing."""
    if os.environ.get(OFFLINE):
        return True
    hub()
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def _sizes(name: str, there: Iterable[Any]) -> dict[str, int]:
    """The files to be fetched, and their bytes. Raises SfumatoError for what is no model, and for files larger than any
    of ours."""
    sizes = {file.rfilename: file.size for file in there if file.rfilename in FILES}
    if missing := [file for file in NEEDED if file not in sizes]:
        raise SfumatoError(f"{name}: no model of Sfumato: it holds no {missing[0]}")
    for file, size in sizes.items():
        if type(size) is not int or not 0 <= size <= FILES[file]:
            raise SfumatoError(f"{name}: {file} has {size} bytes, and {FILES[file]} are the most")
    return sizes


def _fetch(api: "HfApi", name: str, commit: str, files: list[str], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        with answering(name, api.endpoint):
            api.hf_hub_download(name, file, revision=commit, local_dir=folder)
    shutil.rmtree(folder / ".cache")  # what the client notes


def in_megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
