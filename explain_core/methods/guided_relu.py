"""Guided backpropagation: the gradient with only positive parts passed back through ReLUs."""

from __future__ import annotations

import inspect
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from explain_core.errors import ModelError
from explain_core.methods.evidence import gather_clean_gradient
from explain_core.models.model import Model
from explain_core.types import Array, Image


class _GuidedRelu(torch.autograd.Function):
    """Pass on what is positive, forwards and backwards; a capped ReLU nothing above its cap."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cap: float | None, is_in_place: bool) -> Tensor:
        if is_in_place:
            ctx.mark_dirty(x)
        output = x.relu_() if is_in_place else x.relu()
        if cap is not None:
            output.clamp_(max=cap)
        ctx.save_for_backward(output)
        ctx.cap = cap
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (output,) = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(gradients[0].clamp(min=0), output, 0)
        if ctx.cap is not None:
            passed.mul_(output < ctx.cap)
        return passed, None, None


class GuidedRelus(TorchFunctionMode):
    """Let every ReLU and ReLU6 in this context pass back positive gradients only.

    Springenberg et al., ICLR workshop 2015.

    It acts on the calls of this thread, so that the loaded network stays as it is.

    Departure: captum changes `nn.ReLU` modules only; here ReLUs called as functions count as well.

    Attributes:
        num_seen: how many ReLUs were run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_seen = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Replace calls of ReLU."""
        kwargs = kwargs or {}
        cap = None
        if func is functional.hardtanh:
            bound = _HARDTANH.bind(*args, **kwargs)
            bound.apply_defaults()
            x, least, cap, is_in_place = bound.arguments.values()
            if least != 0:
                return func(*args, **kwargs)
        elif func in _RELUS or func in _IN_PLACE_RELUS:
            cap = 6.0 if func is functional.relu6 else None
            x = args[0] if args else kwargs.get("input", kwargs.get("self"))
            is_in_place = func in _IN_PLACE_RELUS or kwargs.get("inplace", args[1:2] == (True,))
        else:
            return func(*args, **kwargs)
        self.num_seen += 1
        return cast(Any, _GuidedRelu.apply)(x, cap, is_in_place)


_HARDTANH = inspect.signature(functional.hardtanh)  # nn.ReLU6 calls it
_RELUS = frozenset(
    {
        functional.relu,
        functional.relu6,
        torch.relu,
        Tensor.relu,
        torch.ops.aten.relu,
        torch.ops.aten.relu.default,
    }
)
_IN_PLACE_RELUS = frozenset(
    {torch.relu_, Tensor.relu_, torch.ops.aten.relu_, torch.ops.aten.relu_.default}
)


def gather_guided_gradient(model: Model, image: Image, target: int) -> Array:
    """Return (C, H, W): guided backpropagation's gradient at the picture.

    Raises:
        InputError: a model without a head.
        ModelError: a network without ReLUs.
        NumericsError: NaN or infinity in the gradient.
    """
    with GuidedRelus() as relus:
        gradient = gather_clean_gradient(model, image, target).clean
    if relus.num_seen == 0:
        raise ModelError(
            f"'{model.name}' has no ReLU or ReLU6, and guided backpropagation differs from the "
            "plain gradient at those only; use vanilla-gradient"
        )
    return gradient
