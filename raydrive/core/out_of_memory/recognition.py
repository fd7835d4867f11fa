"""Recognises attempts that ended for lack of memory, by the text of their reason.

The trial actor, which sees the log, begins such words with one of the marks; the judge looks for the marks alone, so
that a journal folds the same with any release. Patterns are those of messages that frameworks print:

- PyTorch: ``torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ...``, also ``HIP`` and ``MPS backend``;
- JAX and XLA: ``RESOURCE_EXHAUSTED: Out of memory while trying to allocate ...``;
- TensorFlow: ``ResourceExhaustedError: ... OOM when allocating tensor with shape ...``;
- CuPy: ``cupy.cuda.memory.OutOfMemoryError: Out of memory allocating ...``;
- CUDA itself: ``CUDA_ERROR_OUT_OF_MEMORY``, ``cudaErrorMemoryAllocation``, ``CUBLAS_STATUS_ALLOC_FAILED``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HOST, GPU = "host", "gpu"
"""Whose memory it was: that of the node, or that of a GPU."""
BY_KERNEL = "out of memory: the kernel killed it"
BY_RAY = "out of memory: Ray's memory monitor killed it"
OF_GPU = "GPU out of memory: "
"""Marks in the words that tell why an attempt has ended."""
LINES = 60
"""Last lines of a log that are looked at."""
_OF_GPU = re.compile(
    r"(CUDA|HIP|MPS backend) out of memory|CUDA error: out of memory|torch\.(cuda\.)?OutOfMemoryError"
    r"|RESOURCE_EXHAUSTED: Out of memory|OOM when allocating tensor"
    r"|cupy\.cuda\.memory\.OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation"
    r"|CUBLAS_STATUS_ALLOC_FAILED"
)


def kind_of(words: str) -> str:
    """Returns whose memory an attempt has run out of, ``HOST`` or ``GPU``; empty for any other end.

    Args:
        words: Why it has ended: ``Ended.error`` or ``Lost.why``.
    """
    if OF_GPU in words:
        return GPU
    return HOST if BY_KERNEL in words or BY_RAY in words else ""


def marked(words: str, lines: Iterable[str] = ()) -> str:
    """Returns the last words of a failed process, with the mark where it has run out of a GPU's memory.

    Args:
        words: As they are.
        lines: The last lines of its log, in order; frameworks print more after the message.
    """
    if kind_of(words):
        return words
    if _OF_GPU.search(words):
        return OF_GPU + words
    told = [line.strip() for line in lines if _OF_GPU.search(line)]
    return OF_GPU + told[-1] if told else words
