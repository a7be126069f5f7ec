from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import numpy as np
import torch
import transformers

from unsl_tracking import StopRule
from unsl_tracking.errors import DataError
from unsl_transformers import ForecastCallback


class Rows(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 256

    def __getitem__(self, index: int) -> dict[str, Any]:
        ids = torch.tensor([(index * 3 + place) % 16 for place in range(8)])
        return {"input_ids": ids, "labels": ids}


def trainer(folder: Path, callback: ForecastCallback, steps: int, **more: Any) -> Any:
    config = transformers.GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    arguments = transformers.TrainingArguments(
        str(folder),
        max_steps=steps,
        logging_steps=2,
        per_device_train_batch_size=4,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **{"save_strategy": "no", **more},
    )
    model = transformers.GPT2LMHeadModel(config)
    return transformers.Trainer(model, arguments, train_dataset=Rows(), callbacks=[callback])


def test_a_doomed_run_is_stopped(tmp_path: Path) -> None:
    callback = ForecastCallback("loss", stop=StopRule(target=0.01), wait=60)
    done = trainer(tmp_path, callback, 60)
    done.train()
    assert callback.decision is not None and callback.decision.verdict == "doomed"
    assert done.state.global_step < 60
    assert callback.monitor is not None and callback.monitor.errors == {}


def test_a_checkpoint_keeps_the_curve(tmp_path: Path) -> None:
    keep = {"save_strategy": "steps", "save_steps": 10}
    first = ForecastCallback("loss", stop={"dry_run": True})
    trainer(tmp_path, first, 10, **keep).train()
    state = json.loads((tmp_path / "checkpoint-10" / "trainer_state.json").read_text())
    assert state["stateful_callbacks"]["ForecastCallback"]["args"]["metric"] == "loss"
    for restore in (False, True):
        second = ForecastCallback("loss", stop={"dry_run": True})
        more = {**keep, "save_strategy": "no", "restore_callback_states_from_checkpoint": restore}
        again = trainer(tmp_path, second, 20, **more)
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
        used = next(c for c in again.callback_handler.callbacks if isinstance(c, ForecastCallback))
        assert used.monitor is not None
        assert used.monitor.state_dict()["state"]["points"] == 10


def test_a_checkpoint_is_written_whatever_the_options_and_keeps_each_callbacks_curve(
    tmp_path: Path,
) -> None:
    def two() -> list[ForecastCallback]:
        first = ForecastCallback("loss", on_stop=print, config={"params": np.int64(100)})
        return [first, ForecastCallback("learning_rate")]

    keep = {"save_strategy": "steps", "save_steps": 10}
    begun = trainer(tmp_path, two()[0], 10, **keep)
    begun.add_callback(two()[1])
    begun.train()
    again = trainer(tmp_path, two()[0], 20)
    again.add_callback(two()[1])
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
    used = [c for c in again.callback_handler.callbacks if isinstance(c, ForecastCallback)]
    assert [c.monitor.state_dict()["state"]["points"] for c in used if c.monitor] == [10, 10]


def test_bad_arguments_raise_before_training() -> None:
    with pytest.raises(DataError):
        ForecastCallback("loss", mode="best")  # type: ignore[arg-type]
    with pytest.raises(DataError):
        ForecastCallback("loss", stop={"patience": 0})
