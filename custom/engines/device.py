"""Where a run computes, and in which precision."""

import gc
from datetime import timedelta
from typing import Any

import ignite.distributed as idist
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ..errors import InputError
from ..processes import environment_number, world_size

LONGEST_REASON = 200  # letters of PyTorch's
TORCHRUN = "start them by torchrun --standalone --nproc_per_node 2 -m monai.bundle run ..., or without multi_gpu_train"


def default_device() -> torch.device:
    """CUDA where there is one (under torchrun the process's own), else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", environment_number("LOCAL_RANK", 0))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def require_device(device: str | torch.device) -> None:
    """Refuse a device that is not there. Raises InputError: says which are."""
    number = torch.cuda.device_count() if torch.cuda.is_available() else 0
    known = ["cpu", *(["cuda"] if number else []), *(f"cuda:{index}" for index in range(number))]
    known += ["mps"] * torch.backends.mps.is_available()
    if str(device) not in known:
        raise InputError(f"--device {device}: PyTorch finds none here; pass {' or '.join(known)}")


def uses_amp(amp: bool, device: str | torch.device) -> bool:
    """Whether to compute in mixed precision: MONAI's engines know it on CUDA only."""
    return amp and torch.device(device).type == "cuda"


def amp_options() -> dict[str, Any]:
    """bfloat16 where the GPU computes in it natively (no overflow, no loss scaling needed), else float16."""
    native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return {"dtype": torch.bfloat16 if native else torch.float16}


def cpu_autocast(wanted: bool, device: str | torch.device) -> torch.dtype | None:
    """bfloat16 on a CPU with instructions for it (AVX512-BF16, AMX), two to three times faster there; else None.

    Wanted for networks it was tried with only: PyTorch 2.13 crashed or stalled in the backward pass of the spine
    network's 1 x 3 x 3 convolutions on patches of 12 x 256 x 512.
    """
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # absent before torch 2.10
    pays = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return torch.bfloat16 if wanted and pays and torch.device(device).type == "cpu" else None


def join_processes(patience: timedelta | None = None) -> None:
    """Join the processes that torchrun started: nccl between GPUs, gloo between CPUs.

    A process waits `patience` for the others; None: PyTorch's 10 or 30 minutes. Raises InputError: torchrun did not
    start this process, or the others cannot be reached.
    """
    if dist.is_initialized():
        return
    device = default_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        dist.init_process_group(backend="nccl" if device.type == "cuda" else "gloo", timeout=patience)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        raise InputError(f"the processes cannot be joined ({reason}): {TORCHRUN}") from error
    idist.sync()  # ignite does this when first asked, in which all must take part: later, one may have nothing to do


def join_processes_if_any() -> None:
    """Join the processes where torchrun started several, for work in which one may wait for another for days."""
    if world_size() > 1:
        join_processes(timedelta(days=30))


def leave_processes() -> None:
    """Leave the process group, if there is one, for good: networks that trained in it do not train on.

    gloo's threads let go of the last tensors when they come to it; one that does so while Python ends aborts the
    process ("terminate called without an active exception", pytorch/pytorch#179291). They end with the last holder of
    the group, and PyTorch's networks hold it too.
    """
    if not dist.is_initialized():
        return
    dist.destroy_process_group()
    for network in [thing for thing in gc.get_objects() if type(thing) is DistributedDataParallel]:
        for holder in ("process_group", "reducer", "logger"):
            setattr(network, holder, None)
    gc.collect()
