"""One picture's scores, and the line of text that keeps them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_DIGEST_DIGITS = 16

Scores = tuple[tuple[float | None, ...], ...]
Reasons = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Row:
    """Hold what was found on one picture.

    Attributes:
        index: of the example in its data set.
        id, label, group: of the example.
        target: the class explained.
        references: the classes it was compared with, the most similar first.
        predicted: the class that the model gives the highest score.
        probability: the model's, of the target.
        failure: why the picture has no scores; empty where it has.
        scores: a tuple per method of a number per metric, in the plan's order; None where it is
            not defined.
        reasons: (method, metric, why) of numbers that are None.
    """

    index: int
    id: str
    label: str
    group: str = ""
    target: str = ""
    references: tuple[str, ...] = ()
    predicted: str = ""
    probability: float | None = None
    failure: str = ""
    scores: Scores = ()
    reasons: Reasons = ()


def line_of(row: Row, plan_digest: str) -> bytes:
    """Return a row as one line, with a digest that its plan goes into."""
    content = json.dumps(asdict(row), ensure_ascii=False, allow_nan=False)
    digest = _digest(content, plan_digest)
    return f'{{"digest": "{digest}", "row": {content}}}\n'.encode()


def row_of(line: bytes, plan_digest: str) -> Row | None:
    """Return the row of a line; None for a line that is torn, damaged or of another plan."""
    if not line.endswith(b"}\n"):
        return None
    try:
        text = line.decode()
        begin = text.index('"row": ') + len('"row": ')
        content = text[begin:-2]
        if text[: begin - len(', "row": ')] != f'{{"digest": "{_digest(content, plan_digest)}"':
            return None
        return _row(json.loads(content))
    except (ValueError, TypeError, KeyError):
        return None


def _digest(content: str, plan_digest: str) -> str:
    return hashlib.sha256(f"{plan_digest}\n{content}".encode()).hexdigest()[:_DIGEST_DIGITS]


def _row(content: Mapping[str, Any]) -> Row:
    fields = dict(content)
    fields["references"] = tuple(fields["references"])
    fields["scores"] = tuple(_numbers(each) for each in fields["scores"])
    fields["reasons"] = tuple((int(a), int(b), str(why)) for a, b, why in fields["reasons"])
    return Row(**fields)


def _numbers(values: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else float(value) for value in values)
