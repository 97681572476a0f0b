"""The training loop: AdamW with warm-up and linear decay, and checkpoints from which an interrupted run continues."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import Module

#: Share of the steps in which the rate rises.
WARM_UP = 0.06
#: Steps from one checkpoint to the next.
CHECKPOINT = 100


@contextmanager
def bf16(model: Module, wanted: bool) -> Iterator[None]:
    """Makes `model` multiply in bf16 if `wanted`; that is faster only on a CPU with AVX-512 BF16 or AMX."""
    if wanted:
        model.forward = torch.autocast("cpu", dtype=torch.bfloat16)(model.forward)
    try:
        yield
    finally:
        if wanted:
            del model.forward


def train(model: Module, groups: list[dict], steps: int, loss_at: Callable[[int], torch.Tensor], file: Path) -> bool:
    """Follows the gradients of `loss_at(0)` to `loss_at(steps - 1)`; `groups` are AdamW's parameter groups.

    `loss_at` must depend only on the number, except for dropout, which draws anew at each number; so a run that
    continues from `file` gives the same result as an uninterrupted run. Returns whether anything was left to do.
    """
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    warm_up = max(1, int(WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min((n + 1) / warm_up, (steps - n) / max(1, steps - warm_up))
    )
    done = 0
    if file.exists():
        state = torch.load(file, weights_only=True)
        if state["steps"] != steps:
            raise ValueError(f"{file} is of a run of {state['steps']} steps, not {steps}; delete it to start anew")
        model.load_state_dict(state["model"])
        done = state["step"]
        if done < steps:
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])

    def save(number: int) -> None:
        unfinished = {"optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
        state = {"model": model.state_dict(), "step": number, "steps": steps} | (unfinished if number < steps else {})
        torch.save(state, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)

    model.train()
    running, started, seed = 0.0, time.time(), torch.initial_seed()
    for number in range(done, steps):
        torch.manual_seed(seed + number)
        loss = loss_at(number)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        running += loss.item()
        if (number + 1) % 50 == 0:
            print(f"step {number + 1}/{steps} loss {running / 50:.4f} {time.time() - started:.0f} s", flush=True)
            running = 0.0
        if (number + 1) % CHECKPOINT == 0 or number + 1 == steps:
            save(number + 1)
    return done < steps
