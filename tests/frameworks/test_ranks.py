"""Two real processes with torch.distributed (gloo): rank 0 forecasts, both stop at one place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
mlflow = pytest.importorskip("mlflow")

STEPS = 80
TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node 2"

BEGIN = """
import json, os, sys
import mlflow, torch
import unsl_tracking as ut
torch.set_num_threads(1)
torch.manual_seed(0)
RULE = ut.StopRule(target=0.01)  # nothing gets there

def tell(place, decision, errors):
    rank = torch.distributed.get_rank()
    told = {"rank": rank, "place": place, "verdict": decision.verdict, "errors": errors}
    with open(f"told-{rank}.json", "w") as file:
        json.dump(told, file)

def begin_run():
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    if os.environ["RANK"] == "0":  # as training scripts do: one process logs
        mlflow.start_run()
"""

# A gloo rank that leaves with its group still open aborts now and then ("terminate called without
# an active exception"), in programs without us too: 1 of 36 runs of init, broadcast, barrier, exit.
END = """
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""

PYTORCH = """
torch.distributed.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 1))
optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
with ut.RunMonitor("loss", horizon={"step": 80}, stop=RULE) as monitor:
    for step in range(1, 81):
        x = torch.randn(32, 8)
        loss = ((model(x) - x.sum(1, keepdim=True).sin() - 1) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        monitor.log(step, loss.item())
        monitor.flush()
        stop = torch.tensor(int(monitor.decision.should_stop))
        torch.distributed.broadcast(stop, src=0)
        if stop:
            break
tell(step, monitor.decision, monitor.errors)
"""

ACCELERATE = """
from accelerate import Accelerator
accelerator = Accelerator(cpu=True)
network = torch.nn.Linear(8, 1)
model, optimiser = accelerator.prepare(network, torch.optim.SGD(network.parameters(), lr=0.01))
rank = accelerator.process_index
with ut.RunMonitor("loss", horizon={"step": 80}, stop=RULE, rank=rank) as monitor:
    for step in range(1, 81):
        x = torch.randn(32, 8)
        loss = ((model(x) - x.sum(1, keepdim=True).sin() - 1) ** 2).mean()
        optimiser.zero_grad()
        accelerator.backward(loss)
        optimiser.step()
        monitor.log(step, loss.item())
        monitor.flush()
        if monitor.decision.should_stop:
            accelerator.set_trigger()
        if accelerator.check_trigger():
            break
tell(step, monitor.decision, monitor.errors)
"""

TRANSFORMERS = """
import transformers
from unsl_transformers import ForecastCallback

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 256
    def __getitem__(self, index):
        ids = torch.tensor([(index * 3 + place) % 16 for place in range(8)])
        return {"input_ids": ids, "labels": ids}

callback = ForecastCallback("loss", stop=RULE, wait=60)
config = transformers.GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1)
arguments = transformers.TrainingArguments(
    "out", max_steps=80, logging_steps=2, per_device_train_batch_size=4, report_to="none",
    disable_tqdm=True, use_cpu=True, save_strategy="no", ddp_backend="gloo",
)
begin_run()
trainer = transformers.Trainer(
    transformers.GPT2LMHeadModel(config), arguments, train_dataset=Rows(), callbacks=[callback]
)
trainer.train()
tell(trainer.state.global_step, callback.decision, callback.monitor.errors)
"""

LIGHTNING = """
import lightning
from unsl_lightning import ForecastCallback

class Falling(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
    def training_step(self, batch, index):
        return (self.weight ** 2).sum()
    def validation_step(self, batch, index):
        self.log("val_loss", torch.tensor(2 + 3 * (self.current_epoch + 1) ** -0.5), sync_dist=True)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(16)), batch_size=4)
callback = ForecastCallback("val_loss", stop=RULE, wait=60)
begin_run()
trainer = lightning.Trainer(
    max_epochs=80, accelerator="cpu", devices=2, strategy="ddp", callbacks=[callback],
    logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(Falling(), data, data)
tell(trainer.current_epoch, callback.decision, callback.monitor.errors)
"""

PROGRAMS = {
    "torch": PYTORCH,
    "accelerate": ACCELERATE,
    "transformers": TRANSFORMERS,
    "lightning": LIGHTNING,
}


def run_on_two_ranks(code: str, folder: Path) -> list[dict[str, Any]]:
    """What each rank told, by rank."""
    (folder / "program.py").write_text(textwrap.dedent(BEGIN + code + END))
    outside = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_EXPERIMENT")}
    done = subprocess.run(
        [sys.executable, *TORCHRUN.split(), "program.py"],
        cwd=folder,
        env={**outside, "OMP_NUM_THREADS": "1", "UNSL_ATTACH": "0"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"told-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("framework", PROGRAMS)
def test_rank_zero_decides_and_both_ranks_stop_at_the_same_place(
    framework: str, tmp_path: Path
) -> None:
    pytest.importorskip(framework)
    zero, one = run_on_two_ranks(PROGRAMS[framework], tmp_path)
    assert zero["verdict"] == "doomed" and one["verdict"] == "waiting"
    assert zero["place"] == one["place"] < STEPS
    assert zero["errors"] == one["errors"] == {}
    if (tmp_path / "mlflow.db").exists():
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        (run,) = client.search_runs(["0"])
        assert run.data.tags["unsl.verdict"] == "doomed"
