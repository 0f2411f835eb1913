"""Small banks with made-up features, and what a slow reader makes of their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from torch import nn

import explain_core as xc
from explain_core.references.bank_writer import BankWriter, Row, open_writer
from explain_core.types import Array, GroupStatistics

DIM = 8
CLASSES = ("cat", "dog", "fish", "tench, Tinca tinca")


def small_model(
    classes: Sequence[str] = CLASSES,
    seed: int = 0,
    preprocessing: xc.Preprocessing | None = None,
    **options: object,
) -> xc.Model:
    """Wrap a network of 8 channels, whose features the tests make up."""
    network = nn.Sequential(
        nn.Conv2d(3, DIM, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(DIM, len(classes))
    )
    rng = np.random.default_rng(seed)
    for parameter in network.parameters():
        parameter.data.copy_(parameter.data.new_tensor(rng.normal(size=parameter.shape)))
    return xc.wrap_model(
        network,
        layer="0",
        classes=classes,
        preprocessing=preprocessing or xc.Preprocessing(size=(6, 6)),
        name="small",
        **options,
    )


def features_of(count: int, seed: int = 0, dim: int = DIM) -> Array:
    """Return (count, dim) float16 with a mean far from zero."""
    values = np.random.default_rng(seed).normal(3, 1, (count, dim))
    return values.astype(np.float16)


def rows_of(
    names: Iterable[str | None], first: int = 0, thumbnails: Sequence[bytes | None] | None = None
) -> list[Row]:
    """Return a row for each class name, numbered from `first`."""
    return [
        Row(f"{name}/{index:05}.png", name, 1000 + index, None if not thumbnails else thumbnails[i])
        for i, (index, name) in enumerate((first + i, name) for i, name in enumerate(names))
    ]


def write_bank(
    folder: Path,
    names: Sequence[str | None],
    features: Array | None = None,
    model: xc.Model | None = None,
) -> Path:
    """Write a bank of one picture per name in one go."""
    features = features_of(len(names)) if features is None else features
    with open_writer(folder, model or small_model()) as writer:
        writer.append(rows_of(names), features)
    return folder


def write_in_steps(writer: BankWriter, names: Sequence[str], features: Array, step: int) -> None:
    """Append and commit a few pictures at a time, from where the writer stands."""
    for first in range(writer.rows, len(names), step):
        end = min(first + step, len(names))
        writer.append(rows_of(names[first:end], first), features[first:end])
        writer.commit()


def digest_of_folder(folder: Path, without: Sequence[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name not in without
    }


def slow_statistics(features: Array) -> tuple[int, Array, Array]:
    """Return count, mean and scatter, one row at a time."""
    values = features.astype(np.float64)
    mean = np.array([sum(column) / len(values) for column in values.T.tolist()])
    scatter = np.zeros((values.shape[1], values.shape[1]))
    for row in values:
        scatter += np.outer(row - mean, row - mean)
    return len(values), mean, scatter


def assert_same_statistics(found: GroupStatistics, features: Array) -> None:
    count, mean, scatter = slow_statistics(features)
    assert found.count == count
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.scatter, scatter, rtol=1e-10, atol=1e-10 * scatter.max())


def slow_nearest(features: Array, feature: Array, count: int) -> tuple[list[int], list[float]]:
    """Return rows and distances of the nearest, compared one at a time."""
    distances = [
        float(sum((float(a) - float(b)) ** 2 for a, b in zip(row, feature, strict=True)) ** 0.5)
        for row in features
    ]
    order = sorted(range(len(distances)), key=lambda row: (distances[row], row))[:count]
    return order, [distances[row] for row in order]
