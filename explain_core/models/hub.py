"""Hugging Face's hub, as timm's models and transformers' both use it: its cache and its reach."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_FOLDER = "models--"
_PATIENCE_S = 10


def hub_cache() -> Path:
    """Return Hugging Face's cache, by its own variables and without its client."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()


def cached_snapshots(owner: str = "*") -> dict[str, tuple[Path, ...]]:
    """Return the folders of what was downloaded, complete or not, by repository, "owner/name".

    The one that the main branch points at comes first.

    Args:
        owner: of the repositories; "*" takes every one's.
    """
    pattern = f"{_FOLDER}*" if owner == "*" else f"{_FOLDER}{owner}--*"
    return {
        folder.name.removeprefix(_FOLDER).replace("--", "/"): _snapshots(folder)
        for folder in sorted(hub_cache().glob(pattern))
    }


def _snapshots(folder: Path) -> tuple[Path, ...]:
    main = folder / "refs" / "main"
    first = main.read_text(encoding="utf-8").strip() if main.is_file() else ""
    found = sorted(folder.glob("snapshots/*/"), key=lambda path: (path.name != first, path.name))
    return tuple(found)


def require_hub() -> None:
    """Raise `OSError` at once where the hub cannot be reached: its client tries for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_PATIENCE_S).close()
    except HTTPError as answer:  # it is there
        answer.close()


def first_line(error: Exception) -> Exception:
    """Return the error, or where it says much its first sentence."""
    words = str(error).strip().splitlines()
    return error if len(words) < 2 else OSError(words[0])


def where_to_put(repository: str) -> str:
    """Return how a repository comes onto a machine without a network, a sentence to end."""
    return (
        f"Download {repository} from Hugging Face where there is a network and copy it "
        "into the cache ($HF_HOME/hub, by default ~/.cache/huggingface/hub)"
    )
