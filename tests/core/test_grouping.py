from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from unsl_tracking.errors import DataError
from unsl_tracking.runs import IGNORED_KEYS, KeyVerdict, Run
from unsl_tracking.runs.detect import is_ignored
from unsl_tracking.runs.explain import notes_on_groups
from unsl_tracking.runs.grouping import group_by_keys, group_runs
from unsl_tracking.runs.set_per_scale import Places


def runs_of(*params: Mapping[str, object]) -> list[Run]:
    return [
        Run(id=f"r{i}", params={key: str(value) for key, value in each.items()})
        for i, each in enumerate(params)
    ]


def sizes(*values: float) -> Places:
    return Places.of(np.array(values, dtype=float).reshape(len(values), -1))


def labels(runs: Sequence[Run], points: Places, **options: object) -> dict[str, tuple[str, ...]]:
    groups, _ = group_runs(runs, points, **options)  # type: ignore[arg-type]
    return {group.label: group.runs for group in groups}


def verdict(runs: Sequence[Run], points: Places, key: str) -> KeyVerdict:
    _, verdicts = group_runs(runs, points)
    (found,) = [each for each in verdicts if each.key == key]
    return found


def test_runs_that_agree_are_one_group() -> None:
    runs = runs_of(*({"lr": 0.1, "params": p} for p in (1, 2, 3)))
    assert labels(runs, sizes(1, 2, 3), explained={"params": "is the axis `params`"}) == {
        "all runs": ("r0", "r1", "r2")
    }


def test_a_recipe_splits_and_the_label_says_only_what_differs() -> None:
    runs = runs_of(
        *({"opt": opt, "act": "gelu", "depth": 2} for opt in ("adam", "sgd") for _ in range(2))
    )
    assert labels(runs, sizes(1, 2, 1, 2)) == {
        "opt=adam": ("r0", "r1"),
        "opt=sgd": ("r2", "r3"),
    }


@pytest.mark.parametrize(
    ("one", "other"), [("1e-3", "0.001"), ("64", "64.0"), ("10k", "10_000"), (" 1M", "1000000")]
)
def test_numbers_are_compared_as_numbers(one: str, other: str) -> None:
    assert len(labels(runs_of({"lr": one}, {"lr": other}), sizes(1, 2))) == 1


def test_a_key_missing_on_some_runs_is_a_value_of_its_own() -> None:
    runs = runs_of({"ema": "on"}, {}, {"ema": "on"}, {})
    assert labels(runs, sizes(1, 1, 2, 2)) == {
        "ema=on": ("r0", "r2"),
        "ema=(not set)": ("r1", "r3"),
    }


def test_config_values_split_as_params_do() -> None:
    runs = [Run(id=f"r{i}", config={"model.act": act}) for i, act in enumerate(["gelu", "relu"])]
    assert set(labels(runs, sizes(1, 1))) == {"model.act=gelu", "model.act=relu"}


def test_a_hyperparameter_scaled_with_the_axis_does_not_split() -> None:
    runs = runs_of(*({"lr": 0.1 / w, "width": w} for w in (64, 64, 128, 256)))
    points = sizes(64, 64, 128, 256)
    assert set(labels(runs, points)) == {"all runs"}
    told = verdict(runs, points, "lr")
    assert not told.splits and told.values == 3
    assert "follows from the axes" in told.reason


def test_a_hyperparameter_scaled_with_the_axis_within_each_recipe_does_not_split() -> None:
    runs = runs_of(
        *(
            {"opt": opt, "lr": lr / w}
            for opt, lr in (("adam", 0.1), ("sgd", 0.7))
            for w in (64, 128, 256)
        )
    )
    points = sizes(64, 128, 256, 64, 128, 256)
    assert set(labels(runs, points)) == {"opt=adam", "opt=sgd"}


def places(
    *fixed: tuple[float, ...], names: tuple[str, ...] = (), ends: Sequence[float] = ()
) -> Places:
    x = np.array(fixed, dtype=float)
    return Places(x, names, np.array(ends, dtype=float).reshape(len(x), -1 if len(ends) else 0))


def test_a_hyperparameter_of_one_axis_does_not_split_runs_on_several() -> None:
    runs = runs_of(*({"lr": 0.1 / width} for width in (1, 2, 4) for _ in range(3)))
    where = places(*((w, d) for w in (1, 2, 4) for d in (1, 2, 4)), names=("width", "data"))
    assert set(labels(runs, where)) == {"all runs"}
    told = verdict(runs, where, "lr")
    assert told.follows and "each `width` has one value of it" in told.reason


@pytest.mark.parametrize("key", ["lr", "optimizer"])
def test_two_recipes_on_two_sizes_of_data_split_where_each_has_many_widths(key: str) -> None:
    values = {"lr": (1, 2), "optimizer": ("adam", "sgd")}[key]
    runs = runs_of(*({key: value} for value in values for _ in range(4)))
    where = places(*((w, d) for d in (1, 2) for w in (1, 2, 4, 8)), names=("width", "data"))
    assert len(labels(runs, where)) == 2


def test_neighbouring_sizes_may_share_a_hyperparameter() -> None:
    runs = runs_of(*({"lr": lr} for lr in (4, 4, 2, 2, 1)))
    assert set(labels(runs, sizes(1, 2, 3, 4, 5))) == {"all runs"}


def test_a_hyperparameter_that_few_sizes_have_to_themselves_does_not_split_the_others() -> None:
    runs = runs_of(*({"lr": lr} for lr in (9, 8, 7, 6, 5, 4, 3, 3, 3)))
    assert set(labels(runs, sizes(*range(1, 10)))) == {"all runs"}


def test_several_values_at_each_size_split() -> None:
    runs = runs_of(*({"lr": lr / width} for width in (1, 2, 4) for lr in (1, 3, 9)))
    assert len(labels(runs, sizes(*(width for width in (1, 2, 4) for _ in range(3))))) == 9


@pytest.mark.parametrize(("power", "expected"), [(-0.125, 1), (0.0, 9)])
def test_a_hyperparameter_that_goes_with_size_and_length_does_not_split(
    power: float, expected: int
) -> None:
    grid = [(w, d) for w in (1, 2, 4) for d in (8, 16, 32)]
    noise = np.random.default_rng(0).permutation(9) + 1.0
    values = [(w * d) ** power * (1.0 if power else noise[i]) for i, (w, d) in enumerate(grid)]
    runs = runs_of(*({"lr": f"{value:.3g}"} for value in values))
    where = places(*((w,) for w, _ in grid), names=("width",), ends=[d for _, d in grid])
    assert len(labels(runs, where)) == expected


def test_a_rule_that_is_swept_at_each_place_is_no_power_law() -> None:
    grid = [(n, factor) for n in np.geomspace(1e6, 1e8, 5) for factor in (1 / 1.6, 1, 1.6)]
    runs = runs_of(*({"lr": f"{0.1 * factor * n**-0.5:.4g}"} for n, factor in grid))
    where = places(*((n,) for n, _ in grid), names=("n_params",), ends=[20 * n for n, _ in grid])
    assert len(labels(runs, where)) > 1
    assert not verdict(runs, where, "lr").follows


def test_what_a_random_search_drew_is_not_set_per_scale() -> None:
    draw = np.random.default_rng(0)
    drawn = [{"dropout": d, "weight_decay": w} for d, w in draw.random((24, 2)).tolist()]
    runs = runs_of(*drawn)
    where = places(*((n,) for n in draw.permutation(24) * 1e5 + 1e6), names=("params",))
    assert not verdict(runs, where, "dropout").follows
    assert not verdict(runs, where, "weight_decay").follows
    assert len(labels(runs, where)) == 24


def test_a_numbered_version_of_the_data_is_another_recipe() -> None:
    runs = runs_of(*({"data_version": version} for version in (1, 1, 2, 2)))
    where = places((1e6,), (2e6,), (4e6,), (8e6,), names=("params",))
    assert len(labels(runs, where)) == 2


def test_a_number_that_some_runs_do_not_set_is_not_set_per_scale() -> None:
    runs = runs_of({"dropout": 0.3}, {"dropout": 0.2}, {"dropout": 0.1}, {})
    assert not verdict(runs, sizes(1, 2, 3, 4), "dropout").follows


def test_the_note_names_three_keys_and_a_command_that_is_not_cut_off() -> None:
    keys = [f"{'long_' * 5}{i}_decay" for i in range(12)]
    runs = runs_of(*({key: (i + 1) / w for i, key in enumerate(keys)} for w in (1, 2, 4, 8)))
    groups, verdicts = group_runs(runs, sizes(1, 2, 4, 8))
    (note,) = notes_on_groups(groups, verdicts, [])
    assert f"`{keys[0]}`, `{keys[1]}`, `{keys[2]}` and 9 more set per scale" in note
    assert f"`--group {','.join(keys[:3])}` splits by it" in note[:400]


def test_the_note_names_what_is_no_hyperparameter_as_well() -> None:
    runs = runs_of(*({"shards": w, "lr": 1 / w} for w in (1, 2, 4) for _ in range(2)))
    groups, verdicts = group_runs(runs, sizes(1, 1, 2, 2, 4, 4))
    (note,) = notes_on_groups(groups, verdicts, [])
    assert note.startswith("The same recipe, with `lr` and `shards` set per scale")


def test_a_text_that_several_sizes_share_is_another_recipe() -> None:
    runs = runs_of(*({"optimizer": each} for each in ("sgd", "sgd", "adam", "adam")))
    assert len(labels(runs, sizes(1, 2, 3, 4))) == 2


def test_a_hyperparameter_crossed_with_the_axis_splits() -> None:
    runs = runs_of(*({"lr": lr} for lr in (0.1, 0.01) for _ in range(3)))
    assert set(labels(runs, sizes(1, 2, 3, 1, 2, 3))) == {"lr=0.1", "lr=0.01"}


def test_two_recipes_on_different_sizes_split_when_each_can_be_fitted() -> None:
    runs = runs_of(*({"lr": lr} for lr in (0.1, 0.01) for _ in range(3)))
    assert len(labels(runs, sizes(1, 2, 3, 4, 5, 6))) == 2


def test_without_an_axis_between_runs_every_setting_is_its_own_group() -> None:
    runs = runs_of(*({"lr": lr} for lr in (0.1, 0.2, 0.3)))
    groups, _ = group_runs(runs, Places.of(np.zeros((3, 0))))
    assert [group.label for group in groups] == ["lr=0.1", "lr=0.2", "lr=0.3"]


def test_text_that_differs_on_every_run_is_an_identity() -> None:
    runs = runs_of(*({"title": f"take {i}"} for i in range(5)))
    points = sizes(1, 2, 3, 4, 5)
    assert set(labels(runs, points)) == {"all runs"}
    assert "of its own on every run" in verdict(runs, points, "title").reason


def test_long_texts_do_not_split() -> None:
    runs = runs_of({"config": "x" * 500}, {"config": "y" * 500})
    assert "long text" in verdict(runs, sizes(1, 2), "config").reason


def test_what_the_axes_explain_does_not_split_and_says_why() -> None:
    runs = runs_of({"max_steps": 10}, {"max_steps": 20})
    groups, verdicts = group_runs(runs, sizes(1, 1), explained={"max_steps": "planned length"})
    assert len(groups) == 1
    assert verdicts == (KeyVerdict("max_steps", False, "planned length", 2),)


@pytest.mark.parametrize(
    "key",
    [
        "seed", "data_seed", "random_state", "Seed", "train.seed", "run_name", "name", "output_dir",
        "hostname", "gpu_name", "CUDA_VISIBLE_DEVICES", "pid", "user", "git_commit", "time",
        "notes", "uuid", "_wandb.version", "mlflow.runName", "num_workers", "logging_steps",
        "resume_from", "save_every", "unsl.verdict", "data_path", "timestamp", "trial",
        "local_rank",
    ],
)  # fmt: skip
def test_keys_that_say_nothing_about_the_recipe_are_ignored(key: str) -> None:
    assert is_ignored(key, IGNORED_KEYS)
    runs = runs_of({key: "1"}, {key: "2"}, {key: "7"}, {key: "5"})
    assert len(labels(runs, sizes(1, 1, 2, 2))) == 1


@pytest.mark.parametrize(
    "key",
    [
        "lr", "optimizer", "optimizer_name", "dataset", "dataset_name", "model", "drop_path",
        "lora_rank", "profile", "output_dim", "purity", "timesteps", "activation", "seq_len",
        "model_name_or_path", "width", "tokenizer", "schedule", "digits", "momentum", "group",
        "update_every", "data_version", "index_dim", "user_embedding",
    ],
)  # fmt: skip
def test_keys_of_the_recipe_are_not_ignored(key: str) -> None:
    assert not is_ignored(key, IGNORED_KEYS)


def test_ignored_keys_can_be_changed() -> None:
    runs = runs_of({"seed": 1, "shard": "a"}, {"seed": 2, "shard": "b"})
    points = sizes(1, 1)
    assert len(labels(runs, points)) == 2
    assert len(labels(runs, points, ignored=[*IGNORED_KEYS, "sha*"])) == 1
    assert set(labels(runs, points, ignored=["shard"])) == {"seed=1", "seed=2"}


def test_tags_split_only_when_asked_for() -> None:
    runs = [Run(id=f"r{i}", tags={"team": team}) for i, team in enumerate("ab")]
    assert len(labels(runs, sizes(1, 1))) == 1
    assert [group.label for group in group_by_keys(runs, ["tag:team"])] == [
        "tag:team=a",
        "tag:team=b",
    ]


def test_groups_by_exactly_the_keys_asked_for() -> None:
    runs = runs_of(
        {"opt": "adam", "lr": 1, "seed": 1},
        {"opt": "adam", "lr": 2, "seed": 2},
        {"opt": "sgd", "lr": 1, "seed": 3},
    )
    assert [group.runs for group in group_by_keys(runs, ["opt"])] == [("r0", "r1"), ("r2",)]
    assert len(group_by_keys(runs, ["param:opt", "lr"])) == 3
    assert [group.label for group in group_by_keys(runs, [])] == ["all runs"]


@pytest.mark.parametrize("key", ["optimiser", "metric:loss", "step", "tag:optimizer"])
def test_an_unknown_key_to_group_by_is_told_with_its_neighbours(key: str) -> None:
    runs = runs_of({"optimizer": "adam"}, {"optimizer": "sgd"})
    with pytest.raises(DataError, match="group by.*optimizer"):
        group_by_keys(runs, [key])


def test_labels_are_short_and_different_from_each_other() -> None:
    texts = [f"{'very long ' * 9}{i}" for i in range(3)]
    runs = runs_of(*({"prompt": text} for text in texts))
    found = list(labels(runs, Places.of(np.zeros((3, 0)))))
    assert len(set(found)) == 3
    assert all(len(label) < 80 for label in found)


def test_labels_of_many_keys_show_those_that_suffice() -> None:
    runs = runs_of(*({f"k{j}": i * 10 + j for j in range(9)} for i in range(3)))
    groups, _ = group_runs(runs, Places.of(np.zeros((3, 0))))
    assert groups[0].label == "k0=0, k1=1, k2=2"
    assert len(groups[0].key) == 9


def test_html_and_unicode_stay_as_they_are() -> None:
    runs = runs_of({"data": "<b>漢字</b>"}, {"data": "größe"})
    assert set(labels(runs, sizes(1, 1))) == {"data=<b>漢字</b>", "data=größe"}
