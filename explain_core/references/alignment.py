"""Whether the classes of a picture collection are those of a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORDNET_ID = re.compile(r"n\d{8}")
_NUM_IMAGENET = 1000


def class_map(names: Sequence[str], model_classes: Sequence[str]) -> tuple[int, ...] | None:
    """Return the model's class index of each name, or None if one of them is no class of it.

    A name is a class if it is the class's name, or the first of its synonyms (before a comma),
    whatever the case and with `_` for a space, and no other class goes by it. 1,000 names that
    are WordNet ids (n01440764) are ImageNet's classes, sorted, for a model of 1,000 classes.

    Args:
        names: distinct, of the pictures' classes; none gives None.
        model_classes: empty without a head.
    """
    if not names or not model_classes:
        return None
    if all(_WORDNET_ID.fullmatch(name) for name in names):
        if not len(names) == len(set(names)) == len(model_classes) == _NUM_IMAGENET:
            return None
        rank = {name: index for index, name in enumerate(sorted(names))}
        return tuple(rank[name] for name in names)
    by_name = _unique(_plain(name) for name in model_classes)
    by_synonym = _unique(_plain(name.split(",")[0]) for name in model_classes)
    found = []
    for name in names:
        index = by_name.get(_plain(name), by_synonym.get(_plain(name.split(",")[0])))
        if index is None:
            return None
        found.append(index)
    return tuple(found)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _unique(names: Iterable[str]) -> dict[str, int]:
    """Return the index of each name that occurs once."""
    listed = list(names)
    times = Counter(listed)
    return {name: index for index, name in enumerate(listed) if times[name] == 1}
