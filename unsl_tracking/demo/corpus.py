"""Text to learn from that every machine already has: the source of Python's standard library.

Characters become small integers: 0 is a line break, 1..95 the printable ASCII characters. Other
characters are left out.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from unsl_tracking.errors import DataError

VOCABULARY: Final = 96
_BLOCK = 2_000
_VALIDATION = 400_000

Tokens = npt.NDArray[np.uint8]


def load_corpus(folder: Path | None = None) -> tuple[Tokens, Tokens]:
    """Training and validation characters, each (n,).

    The text is cut into blocks that are shuffled once with a fixed seed: any prefix of the training
    part is then a fair sample of the whole, so that `train_chars` is a scale and not a topic.
    """
    folder = folder or Path(sysconfig.get_paths()["stdlib"])
    files = sorted(folder.glob("*.py"))
    raw = b"".join(path.read_bytes() for path in files)
    table = np.full(256, 255, dtype=np.uint8)
    table[10] = 0
    table[32:127] = np.arange(1, 96)
    text = table[np.frombuffer(raw, dtype=np.uint8)]
    text = text[text != 255]
    if text.size < 4 * _VALIDATION:
        raise DataError(
            "the demo needs at least 1.6 MB of Python source in the standard library",
            got=f"{text.size} characters in {len(files)} files of {folder}",
            next_step="Run it with a Python that ships its standard library as .py files.",
        )
    blocks = text[: text.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    order = np.random.default_rng(0).permutation(len(blocks))
    mixed = blocks[order].ravel()
    return mixed[_VALIDATION:], mixed[:_VALIDATION]
