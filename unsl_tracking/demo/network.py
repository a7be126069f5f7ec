"""A small neural language model in NumPy: which character comes next, given the last ten?

    h = relu(concat(embed[x_1], …, embed[x_C]) @ hidden + b1)        (batch, width)
    p(next) = softmax(h @ out + b2)                                  (batch, vocabulary)

Trained with Adam at a constant rate; evaluated with a running average of the weights, which does
what a decaying learning rate does for the noise and keeps every point of the curve comparable.
The architecture is that of Bengio et al., "A Neural Probabilistic Language Model" (2003), without
its direct connections. float32 throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from unsl_tracking.demo.corpus import VOCABULARY, Tokens

CONTEXT: Final = 10
EMBEDDING: Final = 16
_RATE = 3e-3
_WARMUP = 50
_DECAY = (0.9, 0.99)
_AVERAGE = 0.99
_EVALUATED = 8_192
"""Validation positions per evaluation, the same ones for every run."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Settings:
    """One run: hidden units, characters to learn from, updates, examples per update."""

    width: int
    train_chars: int
    steps: int
    seed: int = 0
    batch: int = 256

    @property
    def params(self) -> int:
        """Trained numbers in the network."""
        inputs = CONTEXT * EMBEDDING
        return VOCABULARY * EMBEDDING + (inputs + 1) * self.width + (self.width + 1) * VOCABULARY

    @property
    def cost(self) -> float:
        """Multiplications of the whole run, for progress bars."""
        return float(self.params + 20_000) * self.steps


def train(
    settings: Settings, text: Tokens, validation: Tokens, marks: frozenset[int]
) -> Iterator[tuple[int, float]]:
    """Train, and yield (step, validation loss in nats per character) at the steps in `marks`."""
    rng = np.random.default_rng([settings.seed, settings.width, settings.train_chars])
    text = text[: settings.train_chars]
    held_out = _examples(validation, np.random.default_rng(1), _EVALUATED)
    weights = _initial(settings.width, rng)
    adam = _Adam(weights)
    for step in range(1, settings.steps + 1):
        adam.update(_gradients(weights, *_examples(text, rng, settings.batch)))
        if step in marks:
            yield step, _loss(adam.average, *held_out)


def _examples(
    text: Tokens, rng: np.random.Generator, count: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    start = rng.integers(0, text.size - CONTEXT, count)
    return text[start[:, None] + np.arange(CONTEXT)], text[start + CONTEXT]


def _initial(width: int, rng: np.random.Generator) -> list[Array]:
    inputs = CONTEXT * EMBEDDING
    tables = [
        rng.normal(scale=0.5, size=(VOCABULARY, EMBEDDING)),
        rng.normal(scale=inputs**-0.5, size=(inputs, width)),
        np.zeros(width),
        rng.normal(scale=(0.1 / width) ** 0.5, size=(width, VOCABULARY)),
        np.zeros(VOCABULARY),
    ]
    return [table.astype(np.float32) for table in tables]


def _loss(weights: list[Array], x: npt.NDArray[np.uint8], y: npt.NDArray[np.uint8]) -> float:
    embed, hidden, bias, out, out_bias = weights
    h = np.maximum(embed[x].reshape(len(x), -1) @ hidden + bias, 0)
    logits = (h @ out + out_bias).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(x)), y]
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen))


def _gradients(
    weights: list[Array], x: npt.NDArray[np.uint8], y: npt.NDArray[np.uint8]
) -> list[Array]:
    """Gradient of the mean cross-entropy over the batch, by hand."""
    embed, hidden, bias, out, out_bias = weights
    batch = len(x)
    e = embed[x].reshape(batch, -1)
    z = e @ hidden + bias
    h = np.maximum(z, 0)
    p = h @ out + out_bias
    p -= p.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(batch), y] -= 1  # d loss / d logits, times the batch size
    p /= batch
    dz = (p @ out.T) * (z > 0)
    de = (dz @ hidden.T).reshape(batch * CONTEXT, EMBEDDING)
    which = np.zeros((batch * CONTEXT, VOCABULARY), dtype=np.float32)
    which[np.arange(batch * CONTEXT), x.ravel()] = 1
    return [which.T @ de, e.T @ dz, dz.sum(axis=0), h.T @ p, p.sum(axis=0)]


class _Adam:
    """Adam (Kingma & Ba, arXiv 1412.6980) with warm-up, updating `weights` in place."""

    def __init__(self, weights: list[Array]) -> None:
        self.weights = weights
        self.average = [table.copy() for table in weights]
        self._first = [np.zeros_like(table) for table in weights]
        self._second = [np.zeros_like(table) for table in weights]
        self._step = 0

    def update(self, gradients: list[Array]) -> None:
        self._step += 1
        one, two = _DECAY
        bias = np.sqrt(1 - two**self._step) / (1 - one**self._step)
        rate = np.float32(_RATE * min(1.0, self._step / _WARMUP) * bias)
        keep = np.float32(min(_AVERAGE, 1 - 5 / (self._step + 5)))
        for i, gradient in enumerate(gradients):
            first, second, table = self._first[i], self._second[i], self.weights[i]
            first *= np.float32(one)
            first += np.float32(1 - one) * gradient
            second *= np.float32(two)
            second += np.float32(1 - two) * gradient * gradient
            table -= rate * first / (np.sqrt(second) + np.float32(1e-8))
            self.average[i] *= keep
            self.average[i] += (1 - keep) * table
