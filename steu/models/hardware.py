"""What a device computes fast, and what it is called beside a result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Literal, get_args

import torch

from steu._errors import check_choice

Precision = Literal["auto", "fp32", "bf16"]

WITH_BF16 = ("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX10")  # oneDNN's names


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """bf16 autocast where asked for, or where ``"auto"`` finds the hardware to do it fast."""
    check_choice(precision, get_args(Precision), what="precision")
    enabled = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@contextmanager
def without_autocast() -> Iterator[None]:
    """While open, a caller's autocast rounds nothing; a task's own precision decides."""
    with ExitStack() as left:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                left.enter_context(torch.autocast(device, enabled=False))
        yield


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices in hardware, and its libraries may use that.

    The processor does not know that ``ONEDNN_MAX_CPU_ISA`` holds the matrix library to less.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    held_to = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if held_to.startswith(("SSE", "AVX")) and not held_to.startswith(WITH_BF16):
        return False
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def machine(device: torch.device, precision: Precision) -> str:
    """What decides the last bits of what is computed there, in words."""
    with autocast(device, precision):
        in_bf16 = torch.is_autocast_enabled(device.type)
    passes = "bf16" if in_bf16 else "fp32"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {passes}"
    threads, instructions = torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()
    return f"CPU, {instructions}, {passes}, {threads} thread{'s' * (threads > 1)}"
