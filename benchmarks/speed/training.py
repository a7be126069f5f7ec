"""What a monitor costs training: paired blocks of real training steps, with it and without.

    python -m benchmarks.speed.training [--loop torch|transformers] [--pairs 30] [--seconds 1]

Blocks of the same number of steps alternate, in one process, on one model: without, with, with,
without, … In blocks without it nothing is logged and its worker is held. Compared are steps per
second of wall time, which a busy machine blurs (the ratio of neighbouring blocks without it tells
by how much), and steps per second of processor time, of the training thread and of the whole
process, fits included. Target: at least 99%.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import unsl_tracking as ut

HORIZON = 10**6
Step = Callable[[], float]


class Block(NamedTuple):
    """Seconds of some steps: of wall time, and of the thread's and the process's processor time."""

    wall: float
    thread: float
    process: float


class Clock:
    """Takes one block's times."""

    def __init__(self) -> None:
        self.began = self._now()

    def stop(self) -> Block:
        return Block(*(b - a for a, b in zip(self.began, self._now(), strict=True)))

    @staticmethod
    def _now() -> tuple[float, float, float]:
        return time.perf_counter(), time.thread_time(), time.process_time()


class Blocks:
    """Which block is on, and what the blocks took. `log` logs only in blocks with the monitor."""

    def __init__(self, monitor: ut.RunMonitor, steps: int, pairs: int) -> None:
        self.monitor, self.steps, self.pairs = monitor, steps, pairs
        self.done: list[tuple[bool, Block]] = []
        self.watched, self.count, self.held = False, 0, self._hold()
        self.clock = Clock()

    @property
    def over(self) -> bool:
        return len(self.done) == 2 * self.pairs

    def log(self, step: int, value: float) -> None:
        if self.watched:
            self.monitor.log(step, value)

    def stepped(self) -> None:
        """A training step is done; the block may be."""
        self.count += 1
        if self.count < self.steps or self.over:
            return
        self.done.append((self.watched, self.clock.stop()))
        self.watched, self.count = len(self.done) % 4 in (1, 2), 0
        if self.watched and self.held:
            self.monitor.workers()[0].resume()
            self.held = False
        elif not self.watched and not self.held:
            self.held = self._hold()
        self.clock = Clock()

    def _hold(self) -> bool:
        return self.monitor.workers()[0].pause(60)


def torch_loop(begin: Callable[[], Blocks], every: int) -> Blocks:
    """A small network; a step takes a fraction of a millisecond."""
    torch.manual_seed(0)
    x = torch.randn(256, 64)
    y = torch.sin(x @ torch.randn(64, 1))
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.Tanh(), torch.nn.Linear(128, 1))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    step, blocks = 0, begin()
    while not blocks.over:
        step += 1
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % every == 0:
            blocks.log(step, loss.item())
        blocks.stepped()
    return blocks


def transformers_loop(begin: Callable[[], Blocks], every: int) -> Blocks:
    """A tiny GPT-2 under the real Trainer, logging every few steps."""
    import transformers

    blocks = begin()

    class Text(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 4096

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            ids = torch.tensor([(index * 3 + place) % 16 for place in range(16)])
            return {"input_ids": ids, "labels": ids}

    class Watch(transformers.TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                blocks.log(state.global_step, logs["loss"])

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            blocks.stepped()
            control.should_training_stop = blocks.over

    config = transformers.GPT2Config(vocab_size=16, n_positions=16, n_embd=32, n_layer=2, n_head=2)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            *(folder,),
            max_steps=HORIZON,
            logging_steps=every,
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            save_strategy="no",
            lr_scheduler_type="constant",
        )
        model = transformers.GPT2LMHeadModel(config)
        trainer = transformers.Trainer(model, arguments, train_dataset=Text(), callbacks=[Watch()])
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return blocks


def ratios(blocks: Blocks) -> dict[str, dict[str, float]]:
    """Throughput with the monitor over without, by clock: median of pairs, its 95% interval."""
    pairs = [dict(blocks.done[i : i + 2]) for i in range(0, len(blocks.done), 2)]
    rng = np.random.default_rng(0)
    found = {}
    for clock in Block._fields:
        each = np.array([getattr(p[False], clock) / getattr(p[True], clock) for p in pairs])
        again = np.median(rng.choice(each, (2000, len(each))), axis=1)
        low, high = np.quantile(again, [0.025, 0.975])
        total = sum(getattr(p[False], clock) for p in pairs) / sum(
            getattr(p[True], clock) for p in pairs
        )
        found[clock] = {"median": np.median(each), "low": low, "high": high, "of_sums": total}
    plain = [block.wall for watched, block in blocks.done if not watched]
    same = np.array([a / b for a, b in zip(plain[1::2], plain[2::2], strict=False)])
    found["noise"] = {"median": np.median(same), "low": same.min(), "high": same.max()}
    return {name: {k: round(float(v), 4) for k, v in row.items()} for name, row in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=["torch", "transformers"], default="torch")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a block, roughly")
    parser.add_argument("--every", type=int, default=10, help="steps between logs")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    loop = torch_loop if given.loop == "torch" else transformers_loop
    with ut.RunMonitor("loss", horizon={"step": HORIZON}) as monitor:
        trial = loop(lambda: Blocks(monitor, 100, 1), given.every)
        steps = max(int(100 * given.seconds / max(trial.done[0][1].thread, 1e-6)), 100)
    with ut.RunMonitor("loss", horizon={"step": HORIZON}) as monitor:
        blocks = loop(lambda: Blocks(monitor, steps, given.pairs), given.every)
        if blocks.held:
            monitor.workers()[0].resume()
        judged = f"{monitor.decision.verdict} at step {monitor.decision.at:.0f}, {monitor.errors}"
    found = ratios(blocks)
    print(
        f"{given.loop}: {given.pairs} pairs of {steps} steps, a log every {given.every}; {judged}"
    )
    for name, row in found.items():
        print(f"{name:8} {row}")
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    if given.json:
        given.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
