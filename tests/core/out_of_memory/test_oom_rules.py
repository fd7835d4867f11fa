"""Out of memory: which ends are that, how the rule is written, and how much the next attempt gets."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.errors import ConfigError
from raydrive.core.out_of_memory.recognition import BY_KERNEL, BY_RAY, GPU, HOST, OF_GPU, kind_of, marked
from raydrive.core.out_of_memory.rules import OnOom, misfits, on_oom_of

GIB = 2**30
TORCH = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.15 GiB"
)


@pytest.mark.parametrize(
    ("words", "lines", "kind"),
    [
        (TORCH, (), GPU),
        ("RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.78 GiB total capacity)", (), GPU),
        ("jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate", (), GPU),
        ("ResourceExhaustedError: OOM when allocating tensor with shape[128,512]", (), GPU),
        ("cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 80,000,000,000 bytes", (), GPU),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", (), GPU),
        (
            "XlaRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 2.99GiB (3206250496B) on device",
            (),
            GPU,
        ),
        ("errors_impl.ResourceExhaustedError: {{function_node}} failed to allocate memory [Op:AddV2]", (), GPU),
        ("  (0) Resource exhausted: failed to allocate memory", (), GPU),
        ("OOM when allocating tensor with shape[4096] on /job:localhost/task:0/device:GPU:0 by GPU_0_bfc", (), GPU),
        ("OOM when allocating tensor with shape[416,3] on /job:localhost/task:0/device:CPU:0 by allocator cpu", (), ""),
        ("Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.59GiB. This is not a failure", (), ""),
        ("XGBoostError: Memory allocation error: std::bad_alloc: cudaErrorMemoryAllocation: out of memory", (), GPU),
        ("CatBoostError: catboost/cuda/cuda_lib: NCudaLib::TOutOfMemoryError", (), GPU),
        ("[LightGBM] [Fatal] [CUDA] out of memory /tmp/cuda_tree_learner.cpp 132", (), GPU),
        ("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size)", (), GPU),
        ("ncclUnhandledCudaError: Cuda failure 2 'out of memory'", (), GPU),
        ("Out of memory error on GPU 0. Cannot allocate 10.0MB memory on GPU 0", (), GPU),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate", (), ""),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", (), ""),
        ("ChildFailedError: train.py FAILED", (TORCH, "E0101 elastic agent", "ChildFailedError: train.py FAILED"), GPU),
        (BY_KERNEL, (TORCH,), HOST),
        (f"rank 3 on node-7: {BY_KERNEL}", (), HOST),
        (f"its actor died: {BY_RAY}, because its node ran low", (), HOST),
        ("ValueError: too many values to unpack", ("epoch 3: out of memory of things to say",), ""),
        ("MemoryError", (), ""),
        ("", (), ""),
    ],
)
def test_an_end_is_recognised_by_its_words(words: str, lines: tuple[str, ...], kind: str) -> None:
    told = marked(words, lines)
    assert kind_of(told) == kind
    assert told.startswith(OF_GPU) == (kind == GPU)
    assert marked(told, lines) == told


def test_the_mark_names_what_the_framework_has_printed() -> None:
    assert marked("FAILED", ("epoch 1", TORCH, "FAILED")) == OF_GPU + TORCH


@pytest.mark.parametrize("written", ["x1.5", "1.5x", "*1.5", 1.5, " x1.5 ", "1.5"])
def test_a_factor_is_written_as_people_do(written: Any) -> None:
    assert on_oom_of({"memory": written}) == OnOom(memory=1.5)


rules = st.builds(
    OnOom, memory=st.none() | st.floats(1.01, 10), up_to=st.none() | st.floats(1, 1e15), attempts=st.integers(1, 9)
)


@given(rules)
def test_what_is_written_is_read_again(rule: OnOom) -> None:
    assert on_oom_of(rule.to_json()) == rule


@given(rules, st.floats(1, 1e14))
def test_memory_grows_to_the_limit_and_then_no_further(rule: OnOom, reserved: float) -> None:
    times, given_up, amounts = 0, False, [reserved]
    while not given_up:
        times += 1
        more = rule.next_memory(HOST, amounts[-1], times)
        given_up = more is None
        amounts += [] if more is None else [more]
    assert times <= rule.attempts
    assert all(later > earlier for earlier, later in pairwise(amounts))
    assert rule.up_to is None or max(amounts[1:], default=0.0) <= rule.up_to
    assert rule.memory is None or times == rule.attempts or amounts[-1] == max(rule.up_to or 0, reserved)


def test_more_memory_of_the_node_does_not_help_a_gpu() -> None:
    assert OnOom(memory=2.0).next_memory(GPU, 8.0 * GIB, 1) is None
    assert OnOom(memory=2.0).next_memory(HOST, 8.0 * GIB, 1) == 16 * GIB
    assert OnOom().next_memory(HOST, 8.0 * GIB, 1) is None


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ("x2", "on_oom"),
        ({"memory": "x1"}, "on_oom.memory"),
        ({"memory": "twice"}, "on_oom.memory"),
        ({"memory": "x1.2.3"}, "on_oom.memory"),
        ({"up_to": "much"}, "on_oom.up_to"),
        ({"attempts": 0}, "on_oom.attempts"),
        ({"factor": 2}, "on_oom.factor"),
    ],
)
def test_what_cannot_be_used_is_named(raw: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        on_oom_of(raw)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_a_factor_needs_an_amount() -> None:
    assert [one.where for one in misfits(OnOom(memory=2.0), None)] == ["on_oom.memory"]
    assert [one.where for one in misfits(OnOom(memory=2.0, up_to=GIB), 2 * GIB)] == ["on_oom.up_to"]
    assert misfits(OnOom(), None) == []
