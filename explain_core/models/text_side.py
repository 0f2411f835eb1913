"""The other half of an image-and-text network such as CLIP: what makes a head out of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional


class TextHead(nn.Module):
    """Score pictures against texts: `y^t = scale * cos(z_image, text_t) + bias`.

    The image network is shared, not copied: its taps and its weights are those of the encoder.
    """

    texts: Tensor

    def __init__(self, image_network: nn.Module, texts: Tensor, scale: float, bias: float) -> None:
        """Take `texts` (num_texts, d) of length 1."""
        super().__init__()
        self.image_network = image_network
        self.scale = scale
        self.bias = bias
        self.register_buffer("texts", texts)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, num_texts) logits of normalised input (N, C, H, W)."""
        features = self.image_network(x)
        if isinstance(features, tuple):  # CoCa's towers hand on their tokens, too
            features = features[0]
        cosines = functional.normalize(features, dim=-1) @ self.texts.T
        return self.scale * cosines + self.bias


@dataclass(frozen=True, eq=False)
class TextSide:
    """Hold what turns texts into vectors that pictures are compared with.

    Attributes:
        image_network: gives (N, d) for (N, C, H, W).
        tokenise: (num_texts, length) token ids of texts cut at a length, padded to it.
        encode: (num_texts, d) of length 1, for token ids (num_texts, `context_length`).
        context_length: how many tokens the network reads, with those for beginning and end.
        scale: of the cosines.
        bias: added to them; None for a network that was trained with a softmax over texts, where
            one text alone says nothing.
        layer: explained by default once texts are the classes.
        gradient_layer: the last layer with maps that a text's logit depends on; None without one.
        fingerprint: SHA-256 of the weights of both sides.
        num_bytes: memory that the text side takes.
    """

    image_network: nn.Module
    tokenise: Callable[[Sequence[str], int], Tensor]
    encode: Callable[[Tensor], Tensor]
    context_length: int
    scale: float
    bias: float | None
    layer: str
    gradient_layer: str | None
    fingerprint: str
    num_bytes: int

    @property
    def min_texts(self) -> int:
        """Return how many texts it takes to ask a question."""
        return 2 if self.bias is None else 1

    def head(self, texts: Tensor) -> TextHead:
        """Return the network whose logits score pictures against texts (num_texts, d)."""
        head = TextHead(self.image_network, texts, self.scale, self.bias or 0.0)
        return head.eval().requires_grad_(False)

    def is_too_long(self, text: str) -> bool:
        """Return whether the network would read the beginning of a text only."""
        num_read = []
        for length in (self.context_length, 4 * self.context_length):
            empty, tokens = self.tokenise(["", text], length)
            padding = empty.mode().values  # what most of an empty text consists of
            num_read.append(int((tokens != padding).sum()))
        return num_read[1] > num_read[0]
