"""Pictures by their ids, from thumbnails and from several sources."""

import io

import numpy as np
import PIL.Image
import pytest

from explain_core.images.reading import image_from_pixels
from explain_core.images.thumbnails import thumbnail
from explain_core.references.embedding import Item, embed
from explain_core.references.pictures import AllPictures, KeptPictures, kept_pictures
from explain_core.types import picture_id
from tests.oracles.nets import TinyNet, picture, wrap


def kept(*images):
    return KeptPictures({picture_id(image): thumbnail(image) for image in images})


@pytest.mark.parametrize("size", [(20, 28), (96, 60)])
@pytest.mark.parametrize(("num_channels", "dtype"), [(1, np.uint8), (1, np.uint16), (3, np.uint8)])
def test_a_small_picture_is_its_own_thumbnail(num_channels, size, dtype):
    image = picture(num_channels, size, dtype=dtype)
    found = kept(image).picture(picture_id(image))
    np.testing.assert_array_equal(found.pixels, image.pixels)
    assert found.digest == image.digest


def test_a_thumbnail_of_fewer_bits_is_not_the_picture():
    image = picture(3, dtype=np.uint16)
    assert kept(image).thumbnail(picture_id(image)) is not None
    assert kept(image).picture(picture_id(image)) is None


@pytest.mark.parametrize("size", [(97, 20), (200, 300)])
def test_a_scaled_thumbnail_is_not_the_picture(size):
    image = picture(3, size)
    assert kept(image).thumbnail(picture_id(image)) is not None
    assert kept(image).picture(picture_id(image)) is None


def test_a_png_of_other_pixels_is_not_the_picture():
    image = picture(3, (200, 300))
    file = io.BytesIO()
    PIL.Image.fromarray(image.pixels).resize((30, 20)).save(file, "PNG")
    assert KeptPictures({7: file.getvalue()}).picture(7) is None


def test_unknown_ids_have_no_picture():
    assert kept(picture()).thumbnail(1) is None
    assert kept(picture()).picture(1) is None


def test_ids_of_numpy_are_known():
    image = picture()
    id = np.array([picture_id(image)], np.uint64)[0]
    assert kept(image).picture(id).digest == image.digest


def test_later_changes_to_the_mapping_change_nothing():
    thumbnails = {1: b"one"}
    pictures = KeptPictures(thumbnails)
    thumbnails[1] = b"two"
    assert pictures.thumbnail(1) == b"one"


def test_sources_are_asked_one_after_the_other():
    one, two = picture(seed=1), picture(seed=2)
    pictures = AllPictures([kept(one), kept(one, two)])
    assert [pictures.picture(picture_id(each)).digest for each in (one, two)] == [
        one.digest,
        two.digest,
    ]
    assert pictures.thumbnail(picture_id(two)) == thumbnail(two)
    assert pictures.thumbnail(5) is None
    assert pictures.picture(5) is None


def test_a_source_without_the_picture_itself_leaves_it_to_the_next():
    large = picture(3, (100, 120))

    class Folder:
        def thumbnail(self, id):
            return None

        def picture(self, id):
            return large

    pictures = AllPictures([kept(large), Folder()])
    assert pictures.picture(picture_id(large)) is large


def test_pictures_that_were_read_are_kept():
    images = [picture(seed=seed) for seed in range(3)]
    items = [Item(f"{index}.png", None, thumbnail(image)) for index, image in enumerate(images)]
    pictures = kept_pictures(list(embed(wrap(TinyNet()), items, batch=2)))
    assert [pictures.picture(picture_id(image)).digest for image in images] == [
        image.digest for image in images
    ]


def test_gray_of_one_value_is_its_own_thumbnail():
    image = image_from_pixels(np.full((5, 9), 200, np.uint8))
    assert kept(image).picture(picture_id(image)).digest == image.digest
