"""`unsl gate` on a real MLflow store: exit statuses, what is written, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import Result

from tests.e2e.conftest import loss

if TYPE_CHECKING:
    from tests.e2e.conftest import Store

Unsl = Callable[..., Result]
BIG = 4e6
TRUTH = loss(BIG, 2000)  # what a run of that size reaches, 0.6 decades beyond the ladder
ASK = ("--experiment", "ladder", "--metric", "val_loss", "--axes", "params", "--jobs", "1")


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No policy of this repository, no summary of a pipeline that runs these tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def ladder(store: Store) -> list[str]:
    """Twelve sizes over two decades, one value each."""
    return [
        store.run("ladder", f"w{i}", {"params": p}, [(loss(p, 2000), 2000)])
        for i, p in enumerate(np.geomspace(1e4, 1e6, 12).round())
    ]


def at(params: float, target: float) -> tuple[str, ...]:
    return ("--at", f"params={params:.6g}", "--target", f"{target:.6g}")


@pytest.mark.parametrize(
    ("factor", "verdict", "status"), [(1.3, "GO", 0), (0.8, "NO-GO", 10), (1.0, "UNDECIDED", 20)]
)
def test_the_exit_status_is_the_verdict(
    store: Store, ladder: list[str], unsl: Unsl, factor: float, verdict: str, status: int
) -> None:
    found = unsl("gate", store.uri, *ASK, *at(BIG, factor * TRUTH), "--json")
    assert found.exit_code == status, found.output
    content = json.loads(found.stdout)
    assert (content["schema"], content["schema_version"]) == ("unsl_tracking/gate", 1)
    assert (content["verdict"], content["runs"]) == (verdict, 12)
    (decision,) = content["decisions"]
    low, high = decision["interval"]
    assert low < TRUTH < high
    if verdict == "UNDECIDED":
        assert [reason["code"] for reason in decision["reasons"]] == ["straddles"]
        runs = decision["next_runs"]["runs"]
        assert runs and all(run["cost"] == pytest.approx(run["params"]) for run in runs)


def test_a_cost_may_name_given_numbers_and_an_axis_that_the_recipe_never_varied(
    store: Store, unsl: Unsl, tmp_path: Path
) -> None:
    for data, optimizer in ((2e6, "adam"), (4e6, "sgd")):
        for i, p in enumerate(np.geomspace(1e4, 1e6, 12).round()):
            values = {"params": p, "data": data, "optimizer": optimizer}
            store.run("ladder", f"{optimizer}{i}", values, [(loss(p, 2000), 2000)])
    (tmp_path / "unsl.toml").write_text(
        '[gate]\ncost = "params*data*price/gpus"\ngiven = { price = 7, gpus = 4 }\n'
    )
    ask = ("gate", store.uri, *ASK[:4], "--axes", "params,data", "--jobs", "1", *at(BIG, TRUTH))
    found = unsl(*ask, "--recipe", "optimizer=adam", "--given", "price=3", "--json")
    assert found.exit_code == 20, found.output
    runs = json.loads(found.stdout)["decisions"][0]["next_runs"]["runs"]
    assert runs and all(run["cost"] == pytest.approx(1.5e6 * run["params"]) for run in runs)


def test_a_slip_in_a_cost_is_told_whatever_the_verdict_would_be(
    store: Store, ladder: list[str], unsl: Unsl
) -> None:
    found = unsl("gate", store.uri, *ASK[:4], *at(BIG, 1.3 * TRUTH), "--cost", "6*parms")
    assert found.exit_code == 1, found.output
    assert "an axis or a given number" in found.output and "parms" in found.output


def test_runs_that_were_left_out_are_named_beside_the_verdict(
    store: Store, ladder: list[str], unsl: Unsl
) -> None:
    store.run("ladder", "boom", {"params": 1e6}, [(float("nan"), 2000)])
    found = unsl("gate", store.uri, *ASK, *at(BIG, 1.3 * TRUTH), "--markdown", "gate.md")
    assert found.exit_code == 0, found.output
    for text in (found.output, Path("gate.md").read_text(encoding="utf-8")):
        assert "Left out" in text and "boom" in text


@pytest.mark.slow
def test_the_same_question_gives_the_same_bytes_with_any_number_of_processes(
    store: Store, ladder: list[str], unsl: Unsl
) -> None:
    ask = ("gate", store.uri, *ASK, *at(BIG, TRUTH), "--json")
    assert unsl(*ask).stdout == unsl(*ask, "--jobs", "2").stdout


def test_the_summary_is_markdown_with_everything_escaped(
    store: Store, ladder: list[str], unsl: Unsl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nasty = "ladder <img src=x> | `a`"
    for i, p in enumerate(np.geomspace(1e4, 1e6, 12).round()):
        store.run(nasty, f"w{i}", {"params": p}, [(loss(p, 2000), 2000)])
    steps = tmp_path / "steps.md"
    steps.write_text("an earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(steps))
    ask = ("-e", nasty, "-m", "val_loss", "--axes", "params", "--jobs", "1", *at(BIG, TRUTH))
    found = unsl("gate", store.uri, *ask, "--markdown", "gate.md")
    assert found.exit_code == 20, found.output
    text = (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert text.startswith("## ❔ UNDECIDED\n")
    assert "ladder &lt;img src=x&gt; \\| \\`a\\`" in text and "<img" not in text
    assert "**Next runs** for val\\_loss" in text
    assert steps.read_text(encoding="utf-8") == f"an earlier step\n{text}\n"


def test_the_verdict_is_written_once_and_a_later_one_replaces_it(
    store: Store, ladder: list[str], unsl: Unsl
) -> None:
    store.client.create_registered_model("model")
    source = store.client.get_run(ladder[3]).info.artifact_uri
    store.client.create_model_version("model", source=source, run_id=ladder[3])
    ask = ("gate", store.uri, *ASK)
    found = unsl(*ask, *at(BIG, 1.3 * TRUTH), "--write", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["written"] == [*ladder, "ladder", "model:1"]
    run = store.client.get_run(ladder[0])
    assert run.data.tags["unsl.gate"] == "GO"
    assert run.data.tags["unsl.gate.asked"].startswith("val_loss better than 0.99")
    assert run.info.status == "FINISHED"
    assert store.client.get_experiment_by_name("ladder").tags["unsl.gate"] == "GO"
    assert list(store.client.get_registered_model("model").aliases) == ["unsl-go"]
    before = store.dump()
    assert unsl(*ask, *at(BIG, 1.3 * TRUTH), "--write").exit_code == 0
    assert store.dump() == before
    assert unsl(*ask, *at(BIG, 0.8 * TRUTH), "--write").exit_code == 10
    assert store.client.get_run(ladder[0]).data.tags["unsl.gate"] == "NO-GO"
    assert list(store.client.get_registered_model("model").aliases) == ["unsl-no-go"]


def test_a_policy_in_the_folder_asks_for_all_its_metrics(
    store: Store, unsl: Unsl, tmp_path: Path
) -> None:
    from mlflow.entities import Metric

    for i, p in enumerate(np.geomspace(1e4, 1e6, 12).round()):
        run_id = store.run("ladder", f"w{i}", {"params": p}, [(loss(p, 2000), 2000)])
        # a second metric that gets worse with scale
        metric = Metric("toxicity", 0.1 * (p / 1e4) ** 0.2, 1_000, 2000)
        store.client.log_batch(run_id, metrics=[metric])
    (tmp_path / "unsl.toml").write_text(
        f'[gate]\ntracker = "{store.uri}"\nexperiment = "ladder"\naxes = ["params"]\n'
        "at = { params = '4M' }\n[gate.metrics.val_loss]\ntarget = 1.0\n"
        "[gate.metrics.toxicity]\nmay_regress = false\n",
        encoding="utf-8",
    )
    found = unsl("gate", "--json", "--jobs", "1")
    content = json.loads(found.stdout)
    verdicts = {each["metric"]: each["verdict"] for each in content["decisions"]}
    assert verdicts["val_loss"] == "GO" and verdicts["toxicity"] != "GO"
    assert found.exit_code == {"NO-GO": 10, "UNDECIDED": 20}[content["verdict"]]
    assert content["decisions"][1]["bar"] == "the best run so far"
    assert content["decisions"][1]["target"] == pytest.approx(0.1)
    only = unsl("gate", "--json", "--jobs", "1", "--metric", "val_loss")
    assert (only.exit_code, len(json.loads(only.stdout)["decisions"])) == (0, 1)


def test_too_few_runs_are_undecided_and_say_what_there_is(store: Store, unsl: Unsl) -> None:
    for p in (1e4, 1e5):
        store.run("ladder", f"w{p}", {"params": p}, [(loss(p, 2000), 2000)])
    found = unsl("gate", store.uri, *ASK, *at(BIG, 1.0), "--json")
    assert found.exit_code == 20, found.output
    (decision,) = json.loads(found.stdout)["decisions"]
    assert decision["reasons"][0]["code"] == "too_little_evidence"
    assert decision["forecast"] is None and decision["probability"] is None


def test_several_recipes_have_to_be_told_apart(store: Store, unsl: Unsl) -> None:
    for name, scale in (("adam", 1.0), ("sgd", 1.2)):
        for p in np.geomspace(1e4, 1e6, 8).round():
            value = scale * loss(p, 2000)
            store.run("ladder", name, {"params": p, "optimizer": name}, [(value, 2000)])
    ask = ("gate", store.uri, *ASK, *at(BIG, 2.0), "--json")
    both = unsl(*ask)
    assert both.exit_code == 1, both.output
    assert "one recipe" in both.output and "optimizer=sgd (8 runs)" in both.output
    one = unsl(*ask, "--recipe", "optimizer=sgd")
    assert json.loads(one.stdout)["recipe"] == {"optimizer": "sgd"}
    assert unsl(*ask, "--recipe", "optimizer=lion").exit_code == 1


A_QUESTION = ("--at", "params=1", "-m", "a", "--target", "1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metric", "val_loss", "--target", "1"), "--at"),
        (("--at", "params=1e7"), "--metric and --target"),
        (("--at", "params=1e7", "--metric", "val_loss"), "--target"),
        (("--at", "params=1e7", "--target", "1"), "--metric"),
        (("--at", "params=big", "--metric", "a", "--target", "1"), "--at"),
        (("--at", "params=1", "-m", "a", "--target", "1", "--confidence", "1"), "confidence"),
        (("--at", "params=1", "-m", "a", "--target", "1", "--max-decades", "-1"), "max_decades"),
        (("--at", "params=1", "-m", "a", "--target", "1", "--recipe", "adam"), "--recipe"),
        (("--at", "params=1", "-m", "a", "--target", "1", "--policy", "no.toml"), "policy"),
        (("--at", "params=1", "-m", "a", "--target", "1", "--markdown", "no/x.md"), "--markdown"),
        (("--at", "params=1", "-m", "a", "--target", "much"), "--target"),
        ((*A_QUESTION, "--cost", "6*(params"), "6*(params"),
        ((*A_QUESTION, "--axes", "params", "--cost", "params*gpu", "--given", "gpus=8"), "gpus"),
        ((*A_QUESTION, "--cost", "params*gpus", "--given", "gpus"), "--given"),
        ((*A_QUESTION, "--given", "gpus=8"), "a cost that names them"),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_usage_error(
    unsl: Unsl, arguments: tuple[str, ...], said: str
) -> None:
    found = unsl("gate", "sqlite:///none.db", "-e", "ladder", *arguments)
    assert found.exit_code == 2, found.output
    assert said in found.output and "Traceback" not in found.output


def test_a_store_that_is_not_there_is_unexpected(unsl: Unsl) -> None:
    found = unsl("gate", "sqlite:///none.db", *ASK, *at(BIG, 1.0))
    assert found.exit_code == 1 and "Traceback" not in found.output
