"""Recognises attempts that ended for lack of memory, by the text of their reason.

The trial actor, which sees the log, begins such words with one of the marks; the judge looks for the marks alone, so
that a journal folds the same with any release. Patterns are those of messages that frameworks print:

- PyTorch: ``torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ...``, also ``HIP`` and ``MPS backend``;
- JAX and XLA: ``RESOURCE_EXHAUSTED: Out of memory while trying to allocate ...``, ``RESOURCE_EXHAUSTED: Failed to
  allocate request for 2.99GiB (3206250496B) on device ordinal 0`` (before 2020 ``Resource exhausted: Out of memory``);
- TensorFlow: ``ResourceExhaustedError: ... OOM when allocating tensor with shape[...] ... device:GPU:0``, or ``...
  failed to allocate memory``; the same words about ``device:CPU`` are of the node;
- CuPy: ``cupy.cuda.memory.OutOfMemoryError: Out of memory allocating ...``;
- CatBoost: ``NCudaLib::TOutOfMemoryError``; LightGBM: ``[CUDA] out of memory``; PaddlePaddle: ``Out of memory error on
  GPU 0``; ONNX Runtime: ``CUDA failure 2: out of memory``; NCCL: ``Cuda failure 2 'out of memory'``;
- CUDA itself (XGBoost, RMM, Numba, llama.cpp): ``CUDA_ERROR_OUT_OF_MEMORY``, ``cudaErrorMemoryAllocation``,
  ``cudaMalloc failed: out of memory``, ``CUBLAS_STATUS_ALLOC_FAILED``, ``CUDNN_STATUS_ALLOC_FAILED``.
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
LINES = 400
"""Last lines of a log that are looked at for XLA's message: it prints some hundred about its buffers after it."""
NEAR = 60
"""The same for the others: what is further up a script may have caught, and gone on with a smaller batch."""
_XLA = "RESOURCE_EXHAUSTED"
_OF_GPU = re.compile(
    r"(CUDA|HIP|MPS backend|XPU) out of memory|CUDA error: out of memory|torch\.(cuda\.)?OutOfMemoryError"
    r"|(RESOURCE_EXHAUSTED|Resource exhausted): (Out of memory|Failed to allocate request for)"
    r"|OOM when allocating tensor|(ResourceExhaustedError|Resource exhausted):.*failed to allocate memory"
    r"|cupy\.cuda\.memory\.OutOfMemoryError|NCudaLib::TOutOfMemoryError|\[CUDA\] out of memory"
    r"|Out of memory error on GPU|(CUDA|Cuda) failure (2: |2 |)'?out of memory"
    r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|cudaMalloc \S*\s?failed: out of memory"
    r"|CU(BLAS|DNN)_STATUS_ALLOC_FAILED"
)
_OF_NODE = re.compile(r"OOM when allocating tensor.*(device:CPU|by allocator (cpu|mklcpu))")
"""TensorFlow's words for the memory of the node."""


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
    if _is_of_gpu(words):
        return OF_GPU + words
    last = list(lines)
    told = [
        line.strip() for n, line in enumerate(last, -len(last)) if (n >= -NEAR or _XLA in line) and _is_of_gpu(line)
    ]
    return OF_GPU + told[-1] if told else words


def _is_of_gpu(line: str) -> bool:
    return _OF_GPU.search(line) is not None and _OF_NODE.search(line) is None
