"""What the name of a param or metric tells about it.

Names are compared in lower case, without the folders before them (`model/`, `trainer.`), with `-`,
spaces and camelCase turned into `_`: `model.hiddenSize` is `hidden_size`. In the tables, `*` stands
for anything. The tables are guesses that a person can always overrule with `Axis(kind=...)`.

| family     | what it measures                          | kind     | examples                    |
|------------|-------------------------------------------|----------|-----------------------------|
| `size`     | the whole model                           | `scale`  | params, n_params, model_size|
| `shape`    | one side of the model                     | `scale`  | width, depth, d_model       |
| `data`     | how much data there is                    | `scale`  | dataset_size, unique_tokens |
| `progress` | how far training has come, or is to come  | `scale`  | tokens, samples, steps      |
| `repeats`  | how often the data were seen              | `repeat` | epochs                      |
| `compute`  | size and progress in one                  | `scale`  | flops                       |
| `hyper`    | a setting with a best value               | `hyper`  | lr, batch_size, dropout     |
| `clock`    | time, which is no scale of a recipe       | `scale`  | runtime, seconds            |
| `other`    | none of these                             | `scale`  |                             |
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, Literal

Kind = Literal["scale", "hyper", "repeat"]
Family = Literal[
    "size", "shape", "data", "progress", "repeats", "compute", "hyper", "clock", "other"
]

_RATES: Final = (
    "lr",
    "lr_*",
    "*_lr",
    "*learning_rate*",
)  # names of a learning rate and its settings
# Settings of a learning rate that are no rate: `lr_warmup_steps`, `min_lr`, `lr_decay_iters`.
_NO_RATE: Final = re.compile(
    r"(^|_)(min|end|final|last|eta|warm\w*|decay\w*|sched\w*|anneal\w*|steps?|iters?|epochs?|type|style"
    r"|policy|gamma|power|mult?\w*|scales?|scaling|ratio|factor|kwargs|name|num|use|momentum|betas?"
    r"|noise|cycle\w*|drop\w*|patience|shrink|period|cooldown|threshold|limit|pct|restarts?|size|std)(_|$)"
)

# Order matters twice: the first family with a matching pattern is the answer (`batch_tokens` is a
# hyperparameter, `unique_tokens` are data), and of two names of one family that tell the same, the
# one whose pattern comes first is kept.
FAMILIES: Final[dict[Family, tuple[str, ...]]] = {
    "hyper": (
        *_RATES, "*batch*", "weight_decay", "wd", "*_decay",
        "*dropout*", "momentum", "beta", "beta_*", "beta1", "beta2", "betas", "eps", "epsilon",
        "*warmup*", "*init_std*", "init_scale", "*label_smoothing*", "*clip*", "gamma", "alpha",
        "l1", "l2", "*temperature*", "*accumul*", "ema*", "*seq_len*", "*sequence_length*",
        "context_length", "block_size",
    ),
    "size": (
        "params", "n_params", "num_params", "parameters", "n_parameters", "num_parameters",
        "total_params", "param_count", "non_embedding_params", "*trainable_params", "params_*",
        "*_params", "*_parameters", "model_size",
    ),
    "data": (
        "unique_tokens", "unique_*", "dataset_size", "data_size", "train_size", "n_train",
        "num_train", "*dataset_size*", "dataset_*samples", "n_data", "train_set_size",
    ),
    "progress": (
        "tokens", "*tokens*", "*tokens_seen*", "samples", "*samples*", "examples", "*examples*",
        "images", "*images*", "*sequences*", "step", "steps", "*_step", "*_steps", "step_*",
        "iter", "iters", "*iteration*", "updates", "*_updates", "*_iters",
    ),
    "repeats": ("epoch", "epochs", "*_epoch", "*_epochs"),
    "compute": ("flops", "*flop*", "total_flos", "compute", "*_compute", "pf_days", "petaflop*"),
    "shape": (
        "*width*", "d_model", "n_embd", "*hidden*", "*embed*", "units", "*channels*",
        "n_channels", "d_ff", "*ffn*", "*mlp_dim*", "*dim", "depth", "*layer*", "*depth*",
        "*heads*", "n_head", "*experts*", "vocab_size",
    ),
    "clock": (
        "time", "*_time", "runtime", "*seconds*", "*duration*", "*hours*", "*minutes*",
        "timestamp",
    ),
}  # fmt: skip

# Names of what one run goes through: points at other steps are of the same training, in which the
# learning rate may still change. Tokens and samples may be those of separate, finished runs.
STEPS: Final = (
    "step", "steps", "*_step", "*_steps", "step_*", "iter", "iters", "*iteration*", "updates",
    "*_updates", "*_iters", "epoch", "epochs", "*_epoch", "*_epochs",
)  # fmt: skip

_KINDS: Final[dict[Family, Kind]] = {"hyper": "hyper", "repeats": "repeat"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FOLDERS = re.compile(r"[/.:\\]")
_BLANK = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """The name as the tables spell names: the last part, lower case, words joined by `_`."""
    last = [part for part in _FOLDERS.split(name) if part] or [name]
    return joined_name(last[-1])


def joined_name(name: str) -> str:
    """All of a name in that spelling, folders too: `lrScheduler.type` is `lr_scheduler_type`."""
    return _BLANK.sub("_", _CAMEL.sub("_", name)).strip("_").lower()


@lru_cache(maxsize=4096)
def family_of(name: str) -> Family:
    """The family whose patterns match the name first, else `other`."""
    plain = plain_name(name)
    for family, patterns in FAMILIES.items():
        if any(fnmatchcase(plain, pattern) for pattern in patterns):
            return family
    return "other"


def kind_of(name: str) -> Kind:
    """How the law treats an axis of this name, unless a person says otherwise."""
    return _KINDS.get(family_of(name), "scale")


@lru_cache(maxsize=4096)
def is_rate(name: str) -> bool:
    """Whether this is a learning rate, and not a setting of one: `train/lr`, `lr-Adam/pg1`."""
    parts = [plain_name(part) for part in _FOLDERS.split(name) if part]
    rates = [part for part in parts if any(fnmatchcase(part, each) for each in _RATES)]
    told = any(not _NO_RATE.search(part) for part in rates)
    return told and not _NO_RATE.search(parts[-1])


def counts_steps(name: str) -> bool:
    """Whether an axis of this name is a place within one training run."""
    return any(fnmatchcase(plain_name(name), pattern) for pattern in STEPS)


def rank_in_family(name: str) -> int:
    """Position in the family's table: the lower, the more telling the name."""
    plain = plain_name(name)
    patterns = FAMILIES.get(family_of(name), ())
    matching = (i for i, pattern in enumerate(patterns) if fnmatchcase(plain, pattern))
    return next(matching, len(patterns))
