"""Whether the learning rate falls along runs, by what they log and by what their params say."""

from __future__ import annotations

import pytest

from unsl_tracking.runs import Run
from unsl_tracking.runs.decay import Sign, falls_in, sign_of, signs
from unsl_tracking.runs.names import is_rate


def run(
    params: dict[str, str] | None = None,
    last: dict[str, float] | None = None,
    *,
    status: str = "FINISHED",
    name: str = "r",
) -> Run:
    return Run(id=name, status=status, params=params or {}, metrics={"loss": 2.0, **(last or {})})


def falls(found: Sign | None) -> bool | None:
    return None if found is None else found.falls


@pytest.mark.parametrize(
    "key",
    [
        "lr", "train/lr", "learning_rate", "train/learning_rate", "lr-AdamW", "lr-Adam/pg1",
        "lr/group_0", "peak_lr", "max_lr", "args.lr", "optimizer.learningRate", "lr_scheduler/lr",
    ],
)  # fmt: skip
def test_names_of_learning_rates_are_known(key: str) -> None:
    assert is_rate(key)


@pytest.mark.parametrize(
    "key",
    [
        "min_lr", "lr_decay_iters", "lr_warmup_steps", "lr.warmup_steps", "lr_scheduler_type",
        "lr_gamma", "final_lr", "learning_rate_decay", "lr_scale", "loss", "params",
        "lr_base_size", "lr_noise_pct", "lr_cycle_mul", "lr_drop", "lr_patience", "lr_shrink",
        "lr-SGD-momentum", "lr-AdamW/pg1-momentum", "lr_pct_start", "lr_cooldown",
    ],
)  # fmt: skip
def test_settings_of_a_learning_rate_are_no_rates(key: str) -> None:
    assert not is_rate(key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        # transformers.SchedulerType, as its MLflow callback logs it
        ("lr_scheduler_type", "linear"), ("lr_scheduler_type", "cosine"),
        ("lr_scheduler_type", "cosine_with_restarts"), ("lr_scheduler_type", "polynomial"),
        ("lr_scheduler_type", "cosine_with_min_lr"), ("lr_scheduler_type", "warmup_stable_decay"),
        ("lr_scheduler_type", "SchedulerType.LINEAR"),
        # classes of torch and Lightning modules, by hand or by hyperparameters
        ("scheduler", "CosineAnnealingLR"), ("lr_scheduler", "OneCycleLR"),
        ("lr_scheduler.class_path", "torch.optim.lr_scheduler.PolynomialLR"),
        ("scheduler", "StepLR"), ("scheduler", "MultiStepLR"),
        ("train.scheduler._target_", "torch.optim.lr_scheduler.CosineAnnealingLR"),
        ("optimizer.lr_scheduler.name", "LinearWarmupCosineAnnealingLR"),
        # Keras: the schedule stands where the rate would
        ("opt_learning_rate", "{'module': 'keras.optimizers.schedules', 'class_name': 'CosineDecay'"
         ", 'config': {'decay_steps': 1000, 'warmup_target': None}, 'registered_name': None}"),
        ("learning_rate", "PiecewiseConstantDecay"),
        # timm, Megatron, nanoGPT, CleanRL
        ("sched", "cosine"), ("lr_decay_style", "WSD"), ("decay_lr", "True"),
        ("lr_decay_iters", "600000"), ("anneal_lr", "True"), ("lr_schedule", "trapezoidal"),
        ("lr_policy", "poly"), ("lr_decay", "0.1"), ("lr_scheduler", "1-sqrt decay"),
    ],
)  # fmt: skip
def test_params_that_name_a_schedule_that_comes_down_say_so(key: str, value: str) -> None:
    assert falls(sign_of(run({key: value}))) is True


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr_scheduler_type", "constant"), ("lr_scheduler_type", "constant_with_warmup"),
        ("lr_scheduler_type", "SchedulerType.CONSTANT_WITH_WARMUP"),
        # down by itself where the loss stands still, not towards a planned end
        ("lr_scheduler_type", "reduce_lr_on_plateau"),
        # the same at every step however long the run is to be
        ("lr_scheduler_type", "inverse_sqrt"), ("lr_decay_style", "inverse-square-root"),
        ("scheduler", "noam"), ("decay_lr", "False"), ("anneal_lr", "False"),
    ],
)  # fmt: skip
def test_params_that_name_another_schedule_say_that(key: str, value: str) -> None:
    assert falls(sign_of(run({key: value}))) is False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noise_schedule", "cosine"), ("beta_schedule", "linear"), ("wd_schedule", "cosine"),
        ("ema_decay", "0.999"), ("weight_decay", "0.1"), ("layerwise_lr_decay", "0.8"),
        ("epsilon_schedule", "linear"), ("warmup_schedule", "linear"), ("kl_anneal", "cosine"),
        ("lr_scheduler_interval", "step"), ("exploration.schedule", "linear"),
        ("activation", "linear"), ("distance", "cosine"), ("lr_warmup_steps", "100"),
        ("lr_scheduler", "linear_warmup"), ("lr_scheduler", "LinearLR"), ("lr_scheduler", "None"),
        ("lr_scheduler_kwargs", "{}"), ("lr_decay", "1.0"), ("lr", "0.001"), ("min_lr", "1e-5"),
    ],
)  # fmt: skip
def test_params_of_other_things_say_nothing(key: str, value: str) -> None:
    assert sign_of(run({key: value})) is None


@pytest.mark.parametrize(
    ("params", "last", "expected"),
    [
        ({"lr": "3e-4"}, {"lr": 3e-5}, True),
        ({"lr": "3e-4"}, {"train/learning_rate": 0.0}, True),
        ({"lr": "3e-4"}, {"lr": 3e-4}, False),
        ({"lr": "3e-4"}, {"lr": 2e-4}, False),  # a warm-up, or hardly a fall
        ({"lr": "3e-4", "lr_scheduler_type": "cosine"}, {"lr": 3e-4}, False),
        ({"lr": "3e-4", "lr_scheduler_type": "inverse_sqrt"}, {"lr": 3e-6}, False),
        ({"lr": "3e-4", "lr_warmup_steps": "100"}, {"lr": 3e-4}, False),
        ({"lr": "3e-4"}, {"lr/body": 3e-5, "lr/head": 3e-4}, False),  # layers with a low rate
        ({"lr": "3e-4", "lr_scheduler_type": "cosine"}, {}, True),
        ({}, {"lr": 3e-5}, None),
    ],
)
def test_a_logged_rate_tells_more_than_params(
    params: dict[str, str], last: dict[str, float], expected: bool | None
) -> None:
    assert falls(sign_of(run(params, last))) is expected


def test_where_no_param_has_the_rate_its_history_says_how_high_it_was() -> None:
    ended = run({}, {"lr": 3e-5})
    found = sign_of(ended, {"lr": 3e-4})
    assert found is not None and found[:2] == (True, "lr")
    assert found.fell_to == pytest.approx(0.1)
    assert falls(sign_of(ended, {"lr": 3e-5})) is False


def test_a_run_that_goes_on_is_asked_for_its_params_only() -> None:
    assert sign_of(run({"lr": "1e-3"}, {"lr": 1e-5}, status="RUNNING")) is None
    going_on = run({"lr": "1e-3", "scheduler": "cosine"}, {"lr": 1e-3}, status="RUNNING")
    assert falls(sign_of(going_on)) is True


def test_most_of_the_finished_runs_decide() -> None:
    def told(*last: float) -> str:
        runs = [run({"lr": "1.0"}, {"lr": each}, name=f"r{i}") for i, each in enumerate(last)]
        return falls_in(runs, signs(runs, {}))

    assert told(0.1, 0.1, 1.0) == "lr"
    assert told(0.1, 1.0) == "lr"
    assert told(0.1, 1.0, 1.0) == ""


def test_where_none_has_finished_the_others_are_asked() -> None:
    runs = [run({"scheduler": "cosine"}, status="RUNNING", name=f"r{i}") for i in range(3)]
    assert falls_in(runs, signs(runs, {})) == "scheduler=cosine"
    assert falls_in([*runs, run(name="done")], signs(runs, {})) == ""


@pytest.mark.parametrize(
    "params",
    [
        {"lr_decay_style": "cosine", "lr_decay_iters": "500000", "lr_decay_samples": "None"},
        {"lr-decay-style": "cosine", "lr-decay-iters": "None"},
        {"lr_scheduler": "cosine", "lr_decay_epochs": "None"},
        {"lr_schedule": "cosine", "learning_rate_decay": "None"},
        {"lr_schedule": "cosine", "decay_lr": "False"},
    ],
)
def test_a_schedule_that_is_named_counts_more_than_lengths_and_switches(
    params: dict[str, str],
) -> None:
    assert falls(sign_of(run(params))) is True


@pytest.mark.parametrize(
    ("params", "last"),
    [
        ({"lr": "0.1", "lr_base_size": "256", "sched": "None"}, {"lr": 0.1}),
        ({"lr": "1e-4", "lr_drop": "200"}, {"lr": 1e-4}),
        ({"lr": "1e-3", "lr_patience": "10", "lr_scheduler": "plateau"}, {"lr": 1e-3}),
        ({"actor_lr": "3e-4", "critic_lr": "1e-3"}, {"actor_lr": 3e-4}),
        ({"lr": "0.1"}, {"lr-SGD": 0.1, "lr-SGD-momentum": 0.9}),
    ],
)
def test_a_rate_is_compared_with_what_was_planned_for_it_and_with_no_other_setting(
    params: dict[str, str], last: dict[str, float]
) -> None:
    assert falls(sign_of(run(params, last))) is False


def test_a_logged_momentum_does_not_hide_that_the_rate_fell() -> None:
    last = {"lr-SGD": 1e-6, "lr-SGD-momentum": 0.9}
    assert falls(sign_of(run({"lr": "0.1", "scheduler": "CosineAnnealingLR"}, last))) is True


def test_what_tells_of_a_schedule_has_no_control_characters() -> None:
    found = sign_of(run({"lr_scheduler": "cosine\n\x1b[31m of someone"}))
    assert found is not None and found.told_by.isprintable()
