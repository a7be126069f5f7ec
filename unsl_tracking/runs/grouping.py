"""Groups: runs that follow one law, because they agree on everything that is not an axis.

A param or config value splits the runs into groups by its value, unless

* it is an axis, or part of an axis' arithmetic, or told by the axes already (see `detect`);
* a pattern of `IGNORED_KEYS` matches it, or its values are long texts, lists or tables;
* it is text that differs on every run (a name, an id);
* it follows from the axes, and splitting by it would leave too little of them to fit: a learning
  rate or a file name chosen per width (see `set_per_scale`).

Numbers are compared as numbers (`1e-3` is `0.001`), a missing value is a value of its own. Tags do
not split, because people write anything into them; `group_by=["tag:team"]` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from unsl_tracking.errors import DataError
from unsl_tracking.runs.axes import place_of
from unsl_tracking.runs.detect import is_ignored
from unsl_tracking.runs.expression import near_names
from unsl_tracking.runs.numbers import read_number
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.set_per_scale import Places, followed

IGNORED_KEYS: Final = (
    # repetitions of one recipe
    "*seed*", "random_state", "trial*", "*_trial", "fold", "replicate*", "repetition*",
    # names and identities
    "name", "run", "run_*", "*run_name", "exp_name", "experiment*", "job_*", "display_name",
    "project*", "entity", "id", "*uuid*", "index", "notes", "note",
    "description", "comment*", "user", "username", "user_name", "author", "owner",
    "version", "*python_version", "torch_version", "code_version", "*commit*", "git*", "sha",
    "branch",
    # places on a disk
    "path", "paths", "data_path", "*file_path", "save_path", "load_path", "log_path",
    "output_path", "config_path", "ckpt_path", "root_path", "root", "dir", "*_dir",
    "*directory*", "*folder*", "file", "*_file", "*filename*", "url", "*_url", "uri", "*_uri",
    "*checkpoint*", "resume*", "cache*",
    # machines
    "*host*", "*gpu*", "*cuda*", "device", "devices", "n_devices", "num_devices", "pid", "rank",
    "local_rank", "global_rank", "node_rank", "port", "*world_size", "num_nodes", "nodes",
    "*_workers", "workers", "n_jobs", "*_threads", "accelerator", "slurm*", "cluster",
    "master_addr", "pin_memory",
    # time, and how often something is looked at
    "time", "start_time", "*timestamp*", "date", "*_date", "created*", "started*", "ended*",
    "eval_every*", "eval_interval*", "eval_steps", "eval_freq*", "eval_strategy", "val_every*",
    "val_interval*", "save_*", "log_every*", "log_interval*", "log_steps", "log_freq*",
    "log_level*", "logging_*", "print_*", "verbose*", "debug", "disable_tqdm", "report_to",
    # trackers' own and ours
    "mlflow*", "unsl.*", "unsl/*", "wandb*", "_*", "system/*",
)  # fmt: skip
"""Keys that neither split groups nor become axes, as patterns (`*` for anything).

They are compared with the key in lower case and with its plain name (see `names`). To change them:
`observe(..., ignored=[*IGNORED_KEYS, "my_key"])`.
"""

IS_AXIS: Final = "is the axis"  # a reason that needs no telling
MISSING: Final = "(not set)"
_LONGEST: Final = 100  # characters of a value that can split groups
_SHOWN: Final = 3  # keys in a label, as long as they tell the groups apart
_LABEL: Final = 60  # characters of a value in a label


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one recipe. `key` holds the values that set it apart from the other groups.

    The label is for people; its texts come from the runs, so escape it.
    """

    label: str
    key: Mapping[str, str]
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """A key that differs between runs: does it split them, and why (not)."""

    key: str
    splits: bool
    reason: str
    values: int
    follows: bool = False
    """Whether it is set per scale: it follows from the axes."""


def group_runs(
    runs: Sequence[Run],
    places: Places,
    *,
    ignored: Sequence[str] = IGNORED_KEYS,
    explained: Mapping[str, str] | None = None,
) -> tuple[tuple[Group, ...], tuple[KeyVerdict, ...]]:
    """Group runs that agree on everything else.

    `places` says where they stand on the axes. `explained` names keys that the axes account for,
    each with the reason to give.
    """
    splitting: dict[str, list[str]] = {}
    verdicts: list[KeyVerdict] = []
    keys = _values_by_key(runs)
    points = places.points()
    useful = len(set(points)) > 1
    # Text first: what tells recipes apart for sure, so that numbers are judged within a recipe.
    for key in sorted(keys, key=lambda key: _is_numeric(keys[key])):
        values = keys[key]
        count = len(set(values))
        if count == 1:
            continue
        reason = (explained or {}).get(key, "") or _reason_to_leave(key, values, ignored, useful)
        parts = list(zip(*splitting.values(), strict=True)) if splitting else [()] * len(runs)
        follows = ""
        if useful and not reason:
            follows = followed(key, values, places, points, parts)
        if follows:
            reason = f"follows from the axes ({follows}), and parts of it would have too few scales"
        why = reason or "differs between otherwise alike runs"
        if not why.startswith(IS_AXIS):
            verdicts.append(KeyVerdict(key, not reason, why, count, bool(follows)))
        if not reason:
            splitting[key] = values
    return _groups(runs, splitting), tuple(sorted(verdicts, key=lambda each: not each.splits))


def group_by_keys(runs: Sequence[Run], keys: Sequence[str]) -> tuple[Group, ...]:
    """Group by exactly these keys (`lr`, `param:lr`, `config:act`, `tag:team`); [] is one group."""
    known = {key for run in runs for key in (*run.params, *run.config)}
    splitting = {}
    for key in keys:
        place, name = place_of(key) or ("", key)
        values = [_value_of(run, place, name) for run in runs]
        if all(value == MISSING for value in values) or place in {"metric", "step"}:
            raise DataError(
                "A key to group by must be a param, config value or tag of some run",
                got=key,
                next_step=near_names(name, sorted(known)),
            )
        splitting[key] = values
    return _groups(runs, splitting)


def _value_of(run: Run, place: str, key: str) -> str:
    places: dict[str, Mapping[str, object]] = {
        "param": run.params,
        "config": run.config,
        "tag": run.tags,
    }
    for values in [places[place]] if place in places else places.values():
        if key in values:
            return _as_text(values[key])
    return MISSING


def _values_by_key(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Every param and config key with its values as text, one per run."""
    keys = dict.fromkeys(key for run in runs for key in (*run.params, *run.config))
    return {
        key: [
            _as_text(run.params[key])
            if key in run.params
            else (_as_text(run.config[key]) if key in run.config else MISSING)
            for run in runs
        ]
        for key in keys
    }


def _as_text(value: object) -> str:
    number = read_number(value)
    return f"{number:.12g}" if number is not None else str(value)


def _is_numeric(values: Sequence[str]) -> bool:
    return all(value == MISSING or read_number(value) is not None for value in values)


def _reason_to_leave(key: str, values: Sequence[str], ignored: Sequence[str], useful: bool) -> str:
    if is_ignored(key, ignored):
        return "ignored by its name"
    if max(map(len, values)) > _LONGEST:
        return "a long text or table"
    distinct = len(set(values))
    if useful and distinct == len(values) > 3 and not _is_numeric(values):
        return "a text of its own on every run"
    return ""


def _groups(runs: Sequence[Run], splitting: Mapping[str, Sequence[str]]) -> tuple[Group, ...]:
    members: dict[tuple[str, ...], list[str]] = {}
    for index, run in enumerate(runs):
        key = tuple(values[index] for values in splitting.values())
        members.setdefault(key, []).append(run.id)
    varying = [place for place in range(len(splitting)) if len({key[place] for key in members}) > 1]
    shown = _telling(list(members), varying)
    names = list(splitting)
    labels: dict[str, int] = {}
    groups = []
    for key, ids in members.items():
        label = ", ".join(f"{names[i]}={_cut(key[i])}" for i in shown) or "all runs"
        labels[label] = labels.get(label, 0) + 1
        if labels[label] > 1:  # long values that differ beyond the cut
            label = f"{label} ({labels[label]})"
        groups.append(Group(label, {names[i]: key[i] for i in varying}, tuple(ids)))
    return tuple(groups)


def _telling(keys: Sequence[tuple[str, ...]], varying: Sequence[int]) -> Sequence[int]:
    """Places to show in labels: all that vary, or of many the first ones that suffice."""
    for count in range(_SHOWN, len(varying)):
        if len({tuple(key[place] for place in varying[:count]) for key in keys}) == len(keys):
            return varying[:count]
    return varying


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"
