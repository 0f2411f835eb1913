"""Texts as classes: "red epaulets" against "bird", for networks that were trained on both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from explain_core.errors import InputError
from explain_core.models.model import Model
from explain_core.models.text_side import TextSide
from explain_core.types import Array, read_only

MAX_LETTERS = 1000

_NUM_AT_ONCE = 64
_NUM_QUOTED = 40


def with_texts(model: Model, texts: Sequence[str]) -> Model:
    """Return a model whose classes are texts, scored by `y^t = scale * cos(z_image, text_t)`.

    The network that looks at pictures is shared: no weights are copied, and reference sets and
    banks made with either model fit both. `Model.key` tells different texts apart.

    Args:
        model: of `load_model("open_clip/...")`; texts that it has are replaced.
        texts: at least two, for the softmax over one text is 1 whatever the picture; one does for
            networks that were trained with a sigmoid (SigLIP), whose texts are labels.

    Raises:
        InputError: a model without a text side; too few texts; one that is empty or longer than
            the model reads; two that read the same to it.
    """
    names = checked_texts(model, texts)
    return with_text_vectors(model, names, text_vectors(model, names))


def checked_texts(model: Model, texts: Sequence[str]) -> tuple[str, ...]:
    """Return texts without the blanks around them.

    Raises:
        InputError: as `with_texts`.
    """
    side = _text_side(model)
    if isinstance(texts, str):
        raise InputError(f"texts must be a list (got {texts!r}); write [{texts!r}, ...]")
    names = tuple(text.strip() for text in texts)
    if len(names) < side.min_texts:
        raise InputError(
            f"'{model.name}' tells texts apart, so give at least {side.min_texts} (got "
            f'{list(names)}); to ask for one, give a plain one beside it: "red epaulets", "bird"'
        )
    for name in names:
        if not name:
            raise InputError("a text is empty; write what may be seen in the picture")
        if len(name) > MAX_LETTERS or side.is_too_long(name):
            raise InputError(
                f"the text {_quoted(name)} is longer than '{model.name}' reads "
                f"({side.context_length} tokens, a token being a word or a part of one); shorten it"
            )
    read: dict[bytes, str] = {}
    for name, tokens in zip(names, side.tokenise(names, side.context_length), strict=True):
        key = tokens.numpy().tobytes()
        if key in read:
            raise InputError(
                f"the texts {_quoted(read[key])} and {_quoted(name)} are the same to "
                f"'{model.name}'; leave one out"
            )
        read[key] = name
    return names


def text_vectors(model: Model, texts: Sequence[str]) -> Array:
    """Return (num_texts, d) float32 of length 1: what the text side makes of each text.

    Raises:
        InputError: a model without a text side.
    """
    side = _text_side(model)
    vectors = []
    with torch.no_grad():
        for start in range(0, len(texts), _NUM_AT_ONCE):
            tokens = side.tokenise(texts[start : start + _NUM_AT_ONCE], side.context_length)
            vectors.append(side.encode(tokens.to(model.device)))
    return read_only(torch.cat(vectors).float().cpu().numpy())


def with_text_vectors(model: Model, classes: Sequence[str], vectors: Array) -> Model:
    """Return a model whose classes are texts that were encoded before.

    Args:
        classes: what each text is called.
        vectors: (num_texts, d) of length 1, see `text_vectors`.
    """
    side = _text_side(model)
    texts = torch.tensor(vectors, dtype=model.dtype, device=model.device)
    network = side.head(texts)  # taps and the pass counter are those of the image network
    about = f"{side.fingerprint} {side.scale} {side.bias} {vectors.shape}"
    digest = hashlib.sha256(about.encode() + np.ascontiguousarray(vectors).tobytes())
    return replace(
        model,
        network=network,
        layer=side.layer,
        gradient_layer=side.gradient_layer,
        classes=tuple(classes),
        output="softmax" if side.bias is None else "sigmoid",
        class_weights=read_only(vectors),
        head=digest.hexdigest(),
    )


def _text_side(model: Model) -> TextSide:
    if model.text_side is None:
        raise InputError(
            f"'{model.name}' has no text side; load a model that was trained on pictures and "
            "texts, such as open_clip/ViT-B-32/laion2b_s34b_b79k"
        )
    return model.text_side


def _quoted(text: str) -> str:
    shown = text if len(text) <= _NUM_QUOTED else f"{text[:_NUM_QUOTED]}…"
    return f"“{shown}”"
