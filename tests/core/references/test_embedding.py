"""Reading and pooling of many pictures against doing it one by one."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import explain_core as xc
from explain_core.errors import InputError, ModelError
from explain_core.images.reading import MAX_PIXELS
from explain_core.images.thumbnails import thumbnail
from explain_core.models.tap import count_passes
from explain_core.references import embedding
from explain_core.references.embedding import Embedded, Item, embed
from explain_core.types import picture_id
from tests.oracles.folders import NO_PICTURE, encoded, fill
from tests.oracles.nets import TinyNet, TinyVit, wrap, wrap_headless

SHAPES = ((20, 28, 3), (40, 30, 3), (33, 70), (21, 28), (9, 5, 3))


def items(count: int, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[Item]:
    return [
        Item(f"{i}.png", "a" if i % 2 else None, encoded(shapes[i % len(shapes)], seed=i))
        for i in range(count)
    ]


def one_by_one(model: xc.Model, given: list[Item], layer: str) -> np.ndarray:
    pooled = [model.pooled(model.preprocess(xc.read_image(item.content)), layer) for item in given]
    return torch.cat(pooled).numpy()


def joined(batches: Iterator[Embedded]) -> Embedded:
    parts = list(batches)
    return Embedded(
        features=np.concatenate([part.features for part in parts]),
        items=sum((part.items for part in parts), ()),
        ids=np.concatenate([part.ids for part in parts]),
        thumbnails=sum((part.thumbnails for part in parts), ()),
        refused=sum((part.refused for part in parts), ()),
    )


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("batch", [1, 3, 4, 100])
def test_features_equal_those_of_one_picture_at_a_time(num_channels: int, batch: int) -> None:
    model, given = wrap(TinyNet(num_channels), "stage3"), items(10)
    found = joined(embed(model, given, batch=batch))
    expected = one_by_one(model, given, "stage3")
    assert found.features.dtype == np.float32
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)
    assert found.items == tuple(given)


def test_features_equal_the_mean_of_the_networks_own_maps() -> None:
    network, given = TinyNet(), items(3)
    model = wrap(network, "stage3")
    found = joined(embed(model, given))
    for item, feature in zip(given, found.features, strict=True):
        x = model.preprocess(xc.read_image(item.content))
        maps = network.stage3(network.stage2(network.stage1(x)))[0]
        np.testing.assert_allclose(feature, maps.mean(dim=(1, 2)).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "class-token", "both"])
def test_pooling_is_as_asked(pooling: str) -> None:
    model, given = wrap_headless(TinyVit()), items(3, ((20, 28, 3),))
    found = joined(embed(model, given, pooling=pooling))
    x = torch.cat([model.preprocess(xc.read_image(item.content)) for item in given])
    expected = model.pooled(x, model.layer, pooling)
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)


def test_the_layer_is_as_asked() -> None:
    model, given = wrap(TinyNet(), "stage3"), items(3)
    found = joined(embed(model, given, layer="stage1"))
    expected = one_by_one(model, given, "stage1")
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)


def test_deep_gray_keeps_its_depth(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (20, 28)).astype(np.uint16)
    PIL.Image.fromarray(pixels).save(tmp_path / "film.png")
    model, item = wrap(TinyNet(1), "stage3"), Item("film.png", None, tmp_path / "film.png")
    expected = one_by_one(model, [item], "stage3")
    np.testing.assert_allclose(joined(embed(model, [item])).features, expected, rtol=1e-5)


def test_ids_and_thumbnails_are_the_pictures() -> None:
    given = items(4)
    found = joined(embed(wrap(TinyNet()), given))
    images = [xc.read_image(item.content) for item in given]
    assert found.ids.dtype == np.uint64
    assert found.ids.tolist() == [picture_id(image) for image in images]
    assert found.thumbnails == tuple(thumbnail(image) for image in images)


def test_batches_are_full_but_for_the_last() -> None:
    sizes = [len(batch.items) for batch in embed(wrap(TinyNet()), items(10), batch=4)]
    assert sizes == [4, 4, 2]


def test_each_picture_goes_through_the_network_once() -> None:
    model = wrap(TinyNet())
    with count_passes() as counter:
        list(embed(model, items(10), batch=4))
    assert counter.passes == 10


def test_no_items_give_no_batch() -> None:
    assert list(embed(wrap(TinyNet()), [])) == []


def test_bad_files_are_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    given = items(6)
    cut_short = encoded()[:200]
    fill(tmp_path, {"c/text.png": NO_PICTURE, "c/cut.png": cut_short, "c/empty.png": b""})
    bad = [Item(f"c/{name}.png", "c", tmp_path / f"c/{name}.png") for name in ("text", "cut")]
    bad += [Item("c/empty.png", "c", tmp_path / "c/empty.png")]
    bad += [Item("c/gone.png", "c", tmp_path / "c/gone.png"), Item("zipped.png", None, NO_PICTURE)]
    mixed = [bad[0], *given[:3], *bad[1:], *given[3:]]
    found = joined(embed(wrap(TinyNet(), "stage3"), mixed, batch=4))
    assert found.items == tuple(given)
    reasons = dict(found.refused)
    assert list(reasons) == [item.path for item in bad]
    assert "not a picture of a known format" in reasons["c/text.png"]
    assert "damaged, cut short" in reasons["c/cut.png"]
    assert "is empty (0 bytes)" in reasons["c/empty.png"]
    assert "there is no file 'c/gone.png'" in reasons["c/gone.png"]


def test_reasons_do_not_name_the_machines_folders(tmp_path: Path) -> None:
    (found,) = embed(wrap(TinyNet()), [Item("a.png", None, tmp_path / "a.png")])
    assert str(tmp_path) not in found.refused[0][1]


def test_nothing_but_bad_files_gives_no_features() -> None:
    found = joined(embed(wrap(TinyNet()), [Item("a.png", None, NO_PICTURE)] * 3))
    assert found.features.shape == (0, 8)
    assert len(found.refused) == 3


def test_a_strip_that_would_be_scaled_up_without_end_is_refused() -> None:
    strip = Item("strip.png", None, encoded((1, 60_000)))
    model = xc.wrap_model(TinyNet(), preprocessing=xc.Preprocessing(size=(224, 224)))
    assert MAX_PIXELS < 224 * 224 * 60_000
    (found,) = embed(model, [strip])
    assert found.refused[0][0] == "strip.png"
    assert "1 x 60000 pixels is too narrow" in found.refused[0][1]


def test_a_picture_that_gives_nan_is_refused_and_the_rest_is_kept() -> None:
    network = TinyNet()
    with torch.no_grad():
        network.stage1[0].weight.mul_(1e30)  # what is not black overflows
        network.stage2[0].weight.mul_(1e30)
        for norm in (network.stage1[1], network.stage2[1]):
            norm.running_mean.zero_()
            norm.bias.zero_()
    black = Item("black.png", None, encoded_black())
    prep = xc.Preprocessing(size=(20, 28), mean=(0, 0, 0), std=(1, 1, 1))
    model = xc.wrap_model(network, layer="stage2", preprocessing=prep)
    found = joined(embed(model, [*items(2), black]))
    assert [item.path for item in found.items] == ["black.png"]
    assert [path for path, _ in found.refused] == ["0.png", "1.png"]
    assert "gives NaN or infinity at layer 'stage2'" in found.refused[0][1]


def encoded_black() -> bytes:
    return thumbnail(xc.read_image(b"P6 28 20 255 " + bytes(3 * 20 * 28)))


def test_no_more_than_two_batches_are_read_ahead() -> None:
    taken = 0

    def counted() -> Iterator[Item]:
        nonlocal taken
        for item in items(50):
            taken += 1
            yield item

    batches = embed(wrap(TinyNet()), counted(), batch=4)
    for number in range(1, 6):
        next(batches)
        assert taken <= 4 * number + 2 * 4
    batches.close()


def test_leaving_early_ends_the_threads() -> None:
    batches = embed(wrap(TinyNet()), items(50), batch=2)
    next(batches)
    batches.close()
    gc.collect()
    assert not [each for each in threading.enumerate() if each.name.startswith("read")]


def test_the_network_is_run_with_less_when_memory_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = wrap(TinyNet(), "stage3"), items(6)
    expected = one_by_one(model, given, "stage3")
    pooled = xc.Model.pooled
    sizes = []

    def tight(self: xc.Model, x: torch.Tensor, *rest: object) -> torch.Tensor:
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError
        return pooled(self, x, *rest)

    monkeypatch.setattr(xc.Model, "pooled", tight)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    found = joined(embed(model, given, batch=6))
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)


def test_one_reader_gives_the_same() -> None:
    model, given = wrap(TinyNet()), items(7)
    alone, many = (joined(embed(model, given, readers=count)) for count in (1, 5))
    np.testing.assert_array_equal(alone.features, many.features)
    assert alone.items == many.items


def test_an_error_of_ours_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(image: xc.Image) -> bytes:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(embedding, "thumbnail", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(embed(wrap(TinyNet()), items(2)))


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(ModelError, match="no tap at layer 'stage9'"):
        list(embed(wrap(TinyNet()), items(1), layer="stage9"))


def test_a_pooling_that_the_layer_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="has no class token"):
        list(embed(wrap(TinyNet()), items(1), pooling="class-token"))


def test_a_letterbox_model_reads_the_same_way() -> None:
    prep = xc.Preprocessing(size=(20, 28), fit="letterbox", mean=(0.5,), std=(0.5,))
    model = xc.wrap_model(TinyNet(1), layer="stage3", preprocessing=prep)
    given = items(5)
    expected = one_by_one(model, given, "stage3")
    np.testing.assert_allclose(joined(embed(model, given)).features, expected, rtol=1e-5, atol=1e-6)
