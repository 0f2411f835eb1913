"""A name for a set of weights, so that features are never compared across networks."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def fingerprint(module: nn.Module) -> str:
    """Return the SHA-256 hex digest of all weights and buffers: names, types, shapes and bytes.

    The device, the memory layout and the order of registration make no difference.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # Bytes, because numpy knows no bfloat16; flat, because a scalar cannot be viewed as bytes.
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()
