"""An accelerate loop: rank 0 decides, `set_trigger` tells every process.

    python examples/frameworks/with_accelerate.py

pip install unsl-tracking accelerate torch. Runs as it stands with `accelerate launch` too.
"""

from __future__ import annotations

import torch
from accelerate import Accelerator

import unsl_tracking as ut

STEPS = 600


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    x = torch.randn(512, 16)
    y = torch.sin(x @ torch.randn(16, 1)) + 0.3 * torch.randn(512, 1)
    network = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    model, optimiser = accelerator.prepare(network, torch.optim.SGD(network.parameters(), lr=0.05))
    rule = ut.StopRule(target=0.001)
    with ut.RunMonitor(
        "loss", horizon={"step": STEPS}, stop=rule, rank=accelerator.process_index
    ) as monitor:
        for step in range(1, STEPS + 1):
            loss = torch.nn.functional.mse_loss(model(x), y)
            optimiser.zero_grad()
            accelerator.backward(loss)
            optimiser.step()
            if step % 10 == 0:
                decision = monitor.log(step=step, value=loss.item())
                if step % 100 == 0:
                    monitor.flush()  # only because this run takes a second
                    decision = monitor.decision
                if decision.should_stop:
                    accelerator.set_trigger()
                if accelerator.check_trigger():
                    break
    accelerator.print(f"ended at step {step} with loss {loss.item():.3f}")
    accelerator.print(monitor.decision.reason)
    accelerator.end_training()


if __name__ == "__main__":
    main()
