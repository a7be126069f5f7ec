"""A plain PyTorch loop: two more lines.

pip install unsl-tracking torch

    python examples/frameworks/with_pytorch.py
    torchrun --nproc-per-node 2 examples/frameworks/with_pytorch.py

With several processes the decision of rank 0 must reach the others; `stop_everywhere` shows how.
Alone, `if decision.should_stop: break` is all.
"""

from __future__ import annotations

import os

import torch
from torch import distributed

import unsl_tracking as ut

STEPS = 600


def stop_everywhere(decision: ut.Decision) -> bool:
    """Whether rank 0 wants to stop, on every rank."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return decision.should_stop
    flag = torch.tensor(int(decision.should_stop))
    distributed.broadcast(flag, src=0)
    return bool(flag)


def main() -> None:
    several = "WORLD_SIZE" in os.environ  # started by torchrun
    if several:
        distributed.init_process_group("gloo")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x = torch.randn(512, 16)
    y = torch.sin(x @ torch.randn(16, 1)) + 0.3 * torch.randn(512, 1)
    model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    network = torch.nn.parallel.DistributedDataParallel(model) if several else model
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    rule = ut.StopRule(target=0.001, confidence=0.95)  # far below the noise: nothing gets there
    with ut.RunMonitor("loss", horizon={"step": STEPS}, stop=rule) as monitor:
        for step in range(1, STEPS + 1):
            loss = torch.nn.functional.mse_loss(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % 10 == 0:
                decision = monitor.log(step=step, value=loss.item())
                if step % 100 == 0:
                    monitor.flush()  # only because this run takes a second
                    decision = monitor.decision
                if stop_everywhere(decision):
                    break
    print(f"ended at step {step} with loss {loss.item():.3f}")
    print(monitor.decision.reason)
    if several:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
