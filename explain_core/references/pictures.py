"""Where the pictures behind a reference set are found, by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from explain_core.images.reading import read_image
from explain_core.references.embedding import Embedded
from explain_core.types import Image, picture_id

_PNG = b"\x89PNG\r\n\x1a\n"


class Pictures(Protocol):
    """Give thumbnails and pictures by id; a `Bank` is one."""

    def thumbnail(self, id: int, /) -> bytes | None:
        """Return an encoded thumbnail, None where there is none."""
        ...

    def picture(self, id: int, /) -> Image | None:
        """Return the picture itself, None where it is not at hand."""
        ...


class KeptPictures:
    """Give pictures from thumbnails in memory.

    The thumbnail of a small picture is a PNG of its own pixels (`thumbnail`), and so the picture
    itself; its id, which comes from the pixels, proves it. Of others no picture is at hand.
    """

    def __init__(self, thumbnails: Mapping[int, bytes]) -> None:
        self._thumbnails = dict(thumbnails)

    @property
    def thumbnails(self) -> Mapping[int, bytes]:
        """Return all that is kept, by id."""
        return self._thumbnails

    def thumbnail(self, id: int) -> bytes | None:
        """Return an encoded thumbnail, None where there is none."""
        return self._thumbnails.get(int(id))

    def picture(self, id: int) -> Image | None:
        """Return the picture itself where its thumbnail is that, else None."""
        content = self.thumbnail(id)
        if content is None or not content.startswith(_PNG):
            return None
        image = read_image(content)
        return image if picture_id(image) == id else None


class AllPictures:
    """Ask several sources one after the other; the first that has an answer gives it."""

    def __init__(self, sources: Sequence[Pictures]) -> None:
        self._sources = tuple(sources)

    def thumbnail(self, id: int) -> bytes | None:
        """Return an encoded thumbnail, None where no source has one."""
        found = (source.thumbnail(id) for source in self._sources)
        return next((content for content in found if content is not None), None)

    def picture(self, id: int) -> Image | None:
        """Return the picture itself, None where no source has it."""
        found = (source.picture(id) for source in self._sources)
        return next((image for image in found if image is not None), None)


def kept_pictures(embedded: Sequence[Embedded]) -> KeptPictures:
    """Return the pictures of batches that were read, from their thumbnails."""
    return KeptPictures(
        {
            int(id): content
            for batch in embedded
            for id, content in zip(batch.ids, batch.thumbnails, strict=True)
        }
    )
