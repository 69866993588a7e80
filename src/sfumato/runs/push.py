"""A run's model, sent to the Hugging Face Hub with its card and what was measured."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import SfumatoError
from ..terminal import warn
from .card import card
from .hub import CARD, FILES, answering, checked, hub, in_megabytes, offline
from .model import NAME, is_model, write_model
from .open import Run


def push(run: Run, name: str, *, private: bool = False, revision: str = "", license: str = "") -> str:
    """Sends the model of `run` to the repository `name`, OWNER/NAME, which is made, `private` or not, on its branch
    `revision`; returns the page's address. Raises SfumatoError if that cannot be."""
    files = _files(run, checked(name), license)
    if offline():
        raise SfumatoError(f"{name}: SFUMATO_OFFLINE or HF_HUB_OFFLINE forbids to send anything")
    api = hub()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    if get_token() is None:
        raise SfumatoError(f"{name}: {api.endpoint} must know who you are: `hf auth login`, or HF_TOKEN")
    size = in_megabytes(sum(map(len, files.values())))
    warn(f"sending {', '.join(files)} ({size}) to {api.endpoint}/{name}{' (private)' if private else ''}")
    with answering(name, api.endpoint):
        api.create_repo(name, private=private or None, exist_ok=True)
        if private and not api.model_info(name).private:
            raise SfumatoError(f"{name}: is there, for all to see: take another name, or make it private first")
        if revision:
            api.create_branch(name, branch=revision, exist_ok=True)
        there = [file.rfilename for file in api.model_info(name, revision=revision or None).siblings or ()]
        api.create_commit(
            name,
            [
                *(CommitOperationAdd(file, content) for file, content in files.items()),
                *(CommitOperationDelete(file) for file in FILES if file in there and file not in files),
            ],
            commit_message=f"{run.system_name} on {run.manifest.data.name}",
            revision=revision or None,
        )
    return f"{api.endpoint}/{name}{f'/tree/{revision}' if revision else ''}"


def _files(run: Run, name: str, license: str) -> dict[str, bytes]:
    """What is sent, by name. A model goes as it is: weights that were brought in are not of 16 bits."""
    with TemporaryDirectory() as place:
        folder = run.path if is_model(run.path) else Path(place)
        if not is_model(run.path):
            write_model(run.manifest, run.system, folder)
        files = {name: (folder / name).read_bytes() for name in ("config.json", NAME)}
    measured = run.path / "evaluation.json"
    if measured.is_file():
        files[measured.name] = measured.read_bytes()
    return {**files, CARD: card(run, name, license).encode()}
