"""Whether lower or higher is better, guessed from a metric's name only where it is obvious."""

from __future__ import annotations

import re
from typing import Final, Literal

Mode = Literal["min", "max"]

_HIGHER: Final = frozenset(
    "acc accuracy auc auroc auprc ap map f1 bleu rouge meteor chrf precision recall ndcg mrr iou "
    "miou dice psnr ssim r2 reward score winrate elo exactmatch em top1 top5 passk".split()
)
_LOWER: Final = frozenset(
    "loss nll perplexity ppl error err bpb bpc bits mse rmse mae rmsle mape crossentropy ce wer "
    "cer fid kl regret".split()
)
_WORD = re.compile(r"[a-z]+[0-9]*")


def guess_mode(metric: str) -> tuple[Mode, str]:
    """The mode and why, as a sentence part. Without a telling word, lower is taken to be better.

    A word for an error decides over a word for a score (`acc_loss` is a loss).
    """
    words = _WORD.findall(re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", metric).lower().replace("@", ""))
    for known, mode in ((_LOWER, "min"), (_HIGHER, "max")):
        for word in words:
            if word in known or word.rstrip("s") in known:
                return mode, f"taken from the word {word!r} in its name"  # type: ignore[return-value]
    return (
        "min",
        "its name does not tell, so lower is taken to be better; --mode max says otherwise",
    )
