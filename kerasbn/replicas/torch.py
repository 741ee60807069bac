"""Processes of the default group of `torch.distributed`, a replica each."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed

Tensor = Any


def several() -> bool:
    """Whether `torch.distributed` is initialized, with several processes."""
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1


def total(tensor: Tensor) -> Tensor:
    """The sum over all processes, with gradients."""
    return _Total.apply(tensor)


def is_distributed(variable: Any) -> bool:
    """Never: each process has the values of its own replica."""
    return False


def gathered(variable: Any) -> Tensor:
    """The values of all processes; each of them must call it."""
    value = variable.value.detach()
    if not several():
        return value.unsqueeze(0)
    values = [torch.empty_like(value) for _ in range(distributed.get_world_size())]
    distributed.all_gather(values, value)
    return torch.stack(values)


def from_all_processes(value: Any) -> list[Any]:
    """List the value of each process; each of them must call it."""
    if not several():
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


class _Total(torch.autograd.Function):
    """A sum over all processes; so is its gradient, of any order.

    Each process differentiates a loss of its own. A part contributes to all of them
    through the sum: its gradient is the sum of all processes' gradients.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        if tensor.device.type != "meta":  # Keras inferring shapes: there is no data.
            distributed.all_reduce(tensor)
        return tensor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Total.apply(gradient)
