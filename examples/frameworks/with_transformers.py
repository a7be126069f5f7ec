"""The Trainer of transformers on a tiny model built from a config; nothing is downloaded.

    python examples/frameworks/with_transformers.py

pip install 'unsl-tracking[transformers,mlflow]'
"""

from __future__ import annotations

import mlflow
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from unsl_tracking import StopRule
from unsl_transformers import ForecastCallback


class Text(torch.utils.data.Dataset):
    """Sentences of a small Markov chain."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        rows = [torch.zeros(count, dtype=torch.long)]
        for _ in range(15):
            jump = torch.randint(1, 4, (count,), generator=generator)
            rows.append((rows[-1] * 3 + jump) % 32)
        self.ids = torch.stack(rows, dim=1)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.ids[index], "labels": self.ids[index]}


def main() -> None:
    torch.set_num_threads(1)
    config = GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    # No model gets below the entropy of the chain, ln 3, so this one is doomed.
    forecast = ForecastCallback("eval_loss", stop=StopRule(target=0.5), wait=30)
    arguments = TrainingArguments(
        "out",
        max_steps=400,
        eval_strategy="steps",
        eval_steps=10,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=64,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run() as run:
        trainer = Trainer(
            GPT2LMHeadModel(config),
            arguments,
            train_dataset=Text(2000, 0),
            eval_dataset=Text(128, 1),
            callbacks=[forecast],
        )
        trainer.train()
    assert forecast.decision is not None
    print(f"ended at step {trainer.state.global_step}: {forecast.decision.reason}")
    written = mlflow.get_run(run.info.run_id).data
    print({k: round(v, 3) for k, v in written.metrics.items() if k.startswith("unsl/")})


if __name__ == "__main__":
    main()
