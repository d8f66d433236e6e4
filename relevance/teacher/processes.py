"""Several processes that share each optimiser step, one a GPU or a group of cores.

Every process holds the whole model. A step's parts are dealt to the processes by their number, and
gradients are summed, so that the number of processes changes nothing but the time. Only the main
process writes files and reports.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from relevance.errors import SettingsError, require_extra

if TYPE_CHECKING:
    import torch

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


_WAIT = timedelta(days=1)
"""How long processes wait for the main one, which evaluates, writes and labels alone. One that dies
is noticed by the launcher, not by waiting."""


def launched() -> int:
    """Processes that a launcher (accelerate, torchrun, mpirun) started together; 1 for none."""
    return _first(_SIZES, 1)


def rank() -> int:
    """Number of this process among those started together; the main one's is 0."""
    return _first(_RANKS, 0)


def parts(accumulate: int, processes: int = 1) -> int:
    """Parts in which a step is computed: at least one for every process there is."""
    return max(accumulate, processes, launched())


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a training, seen from one of them.

    Attributes:
        device: Where this one computes.
        rank: Its number; the main one's is 0.
        size: How many there are.
        accelerator: accelerate's handle on the others; None for one process alone.
    """

    device: torch.device
    rank: int = 0
    size: int = 1
    accelerator: Any = field(default=None, repr=False)

    @property
    def is_main(self) -> bool:
        """Whether this one writes and reports."""
        return self.rank == 0

    def mine(self, items: Sequence[Any]) -> list[tuple[int, Any]]:
        """This process's share of a step's parts, each with its number."""
        return list(enumerate(items))[self.rank :: self.size]

    def wait(self) -> None:
        """Returns when every process is here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def told(self, value: Any) -> Any:
        """The main process's `value`, in every process."""
        if self.accelerator is None:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value], from_process=0)[0]

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of every process's `values`."""
        if self.accelerator is None:
            return values
        summed: torch.Tensor = self.accelerator.reduce(values.to(self.device), reduction="sum")
        return summed

    def alike(self, weights: Sequence[torch.nn.Parameter]) -> None:
        """Gives every process the main one's `weights`."""
        if self.accelerator is None:
            return
        from accelerate.utils import broadcast

        for weight in weights:
            weight.data = broadcast(weight.data.contiguous(), from_process=0)

    def sum_gradients(self, weights: Sequence[torch.nn.Parameter], loss: float) -> float:
        """Sums gradients and `loss` over the processes, the gradients in place; returns the sum.

        A weight that had no gradient anywhere still has none, as in one process alone.
        """
        if self.accelerator is None:
            return loss
        import torch

        used = [float(weight.grad is not None) for weight in weights]
        about = torch.tensor([loss, *used], dtype=torch.float32, device=self.device)
        grads = [w.grad if w.grad is not None else torch.zeros_like(w) for w in weights]
        flat = self.total(torch.cat([about, *(grad.float().flatten() for grad in grads)]))
        at = len(about)
        for number, weight in enumerate(weights):
            piece = flat[at : at + weight.numel()].view_as(weight)
            weight.grad = piece if flat[1 + number] > 0 else None
            at += weight.numel()
        return float(flat[0])


def open_group(device: str, processes: int = 1) -> Group:
    """The group that this process belongs to.

    Args:
        device: `"cpu"` or `"cuda"`, resolved.
        processes: As many as were asked for.

    Raises:
        SettingsError: Several are asked for and only this one was started; or the launcher wants
            to split the model, which is not done here.
    """
    import torch

    size = launched()
    if processes > 1 and size == 1:
        raise SettingsError(
            f"{processes} processes are asked for, but this one was started alone. Use gradewise "
            f"teacher train --processes {processes}, or accelerate launch -m app.cli teacher train"
        )
    if size == 1:
        return Group(torch.device(device))
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() == "true":
            raise SettingsError(
                f"the launcher is set up for {name}, which splits a model over processes; here "
                "each process holds it whole. Launch without it (accelerate config), "
                "or use --tuning qlora"
            )
    require_extra("accelerate", "teacher")
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    patience = InitProcessGroupKwargs(timeout=_WAIT)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no", kwargs_handlers=[patience])
    return Group(
        accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator
    )


def relaunch(module: str, arguments: Sequence[str], *, processes: int, threads: int) -> None:
    """Runs `python -m MODULE ARGUMENTS` in several processes by accelerate's launcher.

    Args:
        module: Module that is run.
        arguments: Its command line.
        processes: How many.
        threads: Threads of each.

    Raises:
        SystemExit: One of them failed; it has said why.
    """
    require_extra("accelerate", "teacher")
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # its own account of a failure is a page of tracebacks around the one line that matters
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL + 1)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL + 1)
    # --multi_gpu means "start them here": with --cpu accelerate leaves that to mpirun
    options = (
        f"--multi_gpu --num_processes {processes} --num_machines 1 --main_process_port 0 "
        f"--mixed_precision no --dynamo_backend no --num_cpu_threads_per_process {threads} --module"
    )
    try:
        launch_command(launch_command_parser().parse_args([*options.split(), module, *arguments]))
    except ChildFailedError as error:
        raise SystemExit(1) from error


def _first(names: Sequence[str], default: int) -> int:
    found = [os.environ[name] for name in names if os.environ.get(name, "").isdigit()]
    return int(found[0]) if found else default
