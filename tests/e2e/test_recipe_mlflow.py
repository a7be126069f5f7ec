"""Recipes that set their learning rate or batch size per scale, on a real MLflow store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import Result

if TYPE_CHECKING:
    from tests.e2e.conftest import Store

Unsl = Callable[..., Result]
ASK = ("-e", "ladder", "-m", "val_loss")
# What Pythia (arXiv 2304.01373, table 1) trained its sizes with: neighbours share a rate.
PYTHIA = {
    70e6: 1e-3,
    160e6: 6e-4,
    410e6: 3e-4,
    1e9: 3e-4,
    1.4e9: 2e-4,
    2.8e9: 1.6e-4,
    6.9e9: 1.2e-4,
}


def loss(params: float, tokens: float) -> float:
    """Hoffmann et al. (arXiv 2203.15556), fitted parameters of their approach 3."""
    return float(1.69 + 406.4 * params**-0.34 + 410.7 * tokens**-0.28)


def finished(store: Store, params: float, tokens: float, told: Mapping[str, object]) -> None:
    """A run with its last value only."""
    given = {"n_params": params, "train_tokens": tokens, **told}
    store.run("ladder", f"{params:.0e}", given, [(loss(params, tokens), 1000)])


def asked(unsl: Unsl, store: Store, *more: str) -> dict[str, Any]:
    found = unsl("forecast", store.uri, *ASK, "--json", *more)
    assert found.exit_code == 0, found.output
    content: dict[str, Any] = json.loads(found.stdout)
    return content


def groups(content: dict[str, Any]) -> set[str]:
    keys = [run["evidence"]["group"] for run in content["runs"]]
    return {json.dumps(key) for key in keys} | {each["name"] for each in content["refused"]}


def notes(content: dict[str, Any]) -> list[str]:
    found: list[str] = content["runs"][0]["evidence"]["notes"]
    return found


def test_a_rate_set_per_size_is_of_one_recipe(store: Store, unsl: Unsl) -> None:
    for params, rate in PYTHIA.items():
        for ratio in (10, 20, 40):
            finished(store, params, ratio * params, {"lr": rate, "weight_decay": 0.1})
    at = {"n_params": 70e9, "train_tokens": 1.4e12}
    content = asked(unsl, store, "--at", ",".join(f"{k}={v:.0f}" for k, v in at.items()))
    assert groups(content) == {"{}"}
    (note,) = [each for each in notes(content) if "set per scale" in each]
    assert note.startswith("The same recipe, with `lr` set per scale")
    assert "`--group lr` splits by it" in note
    low, high = content["runs"][0]["answers"][0]["intervals"]["0.8"]
    assert low < loss(*at.values()) < high

    assert len(groups(asked(unsl, store, "--group", "lr"))) == len(set(PYTHIA.values()))


def test_rate_and_batch_set_by_size_and_length_are_of_one_recipe(store: Store, unsl: Unsl) -> None:
    for params in np.geomspace(1e7, 1e9, 4).round():
        for ratio in (10, 20, 40):
            # DeepSeek LLM (arXiv 2401.02954, section 3.1): powers of the compute, rounded
            compute = 6 * params * params * ratio
            told = {
                "lr": f"{0.3118 * compute**-0.125:.1e}",
                "batch_size": round(0.292 * compute**0.327),
            }
            steps = np.unique(np.geomspace(20, ratio * params / 1e5, 8).astype(int))
            rows = [(loss(params, step * 1e5), int(step)) for step in steps]
            store.run("ladder", f"{params:.0e} {ratio}", {"n_params": params, **told}, rows)
    content = asked(unsl, store)
    assert groups(content) == {"{}"}
    (note,) = [each for each in notes(content) if "set per scale" in each]
    assert note.startswith("The same recipe, with `lr` and `batch_size` set per scale")


def test_each_recipe_may_set_its_own(store: Store, unsl: Unsl) -> None:
    for optimizer, factor in (("adam", 1.0), ("sgd", 30.0)):
        for params, rate in PYTHIA.items():
            told = {"optimizer": optimizer, "lr": factor * rate}
            finished(store, params, 20 * params, told)
    content = asked(unsl, store)
    assert groups(content) == {'{"optimizer": "adam"}', '{"optimizer": "sgd"}'}
    (note,) = [each for each in notes(content) if "set per scale" in each]
    assert "`--group optimizer,lr` splits by it" in note


def test_several_rates_at_each_size_are_a_sweep_and_the_note_says_how_to_model_it(
    store: Store, unsl: Unsl
) -> None:
    for params, best in list(PYTHIA.items())[:5]:
        for rate in (best / 2, best, 2 * best):
            finished(store, params, 20 * params, {"lr": rate})
    found = unsl("forecast", store.uri, *ASK, "--json")
    content = json.loads(found.stdout)
    assert len(content["refused"]) > 5
    modelled = asked(unsl, store, "--axes", "n_params,lr")
    assert groups(modelled) == {"{}"}


@pytest.mark.parametrize("shared", [True, False])
def test_a_text_of_each_size_is_of_one_recipe_and_one_that_sizes_share_is_not(
    store: Store, unsl: Unsl, shared: bool
) -> None:
    names = ("a", "a", "b", "b", "c", "c") if shared else tuple("abcdef")
    for params, name in zip(np.geomspace(1e7, 1e9, 6).round(), names, strict=True):
        for ratio in (10, 20, 40):
            finished(store, params, ratio * params, {"model": name})
    found = unsl("forecast", store.uri, *ASK, "--json")
    assert len(groups(json.loads(found.stdout))) == (3 if shared else 1)
