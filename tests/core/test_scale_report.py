"""Scale-up reports of real fits: what they say, that they escape it, and that they stay equal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import forecast_experiment
from unsl_tracking.experiment.scale_report import Question, command_of, report_experiment
from unsl_tracking.law import zoo
from unsl_tracking.report import REPORT_SCHEMA, ScaleReport
from unsl_tracking.report.anatomy import gains, parts
from unsl_tracking.report.bundle import bundle
from unsl_tracking.report.fit_check import fit_check
from unsl_tracking.report.lead import chance, headline, lead
from unsl_tracking.report.report_markdown import report_markdown
from unsl_tracking.report.report_page import report_page
from unsl_tracking.runs import MemoryTracker

NASTY = "<script>alert(1)</script> `x` [y](z) $\\frac{1}{2}$ | ${ & 日本 \ud83d"
AT = {"params": 1e10, "tokens": 1e11}


def loss(params: Any, tokens: Any) -> Any:
    return 1.7 + 300.0 * params**-0.35 + 400.0 * tokens**-0.3


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


def a_ladder(nasty: str = "", few: bool = True) -> MemoryTracker:
    rng = np.random.default_rng(0)
    tracker = MemoryTracker()
    for params in np.geomspace(1e7, 1e9, 4).round():
        for tokens in np.geomspace(1e9, 2e10, 4).round():
            same = {"data": f"web {nasty}"}
            run = tracker.new_run(
                f"ladder {nasty}",
                name=f"{nasty} {params:.0e}",
                params={"params": params, "tokens": tokens, **same},
            )
            value = loss(params, tokens) * float(np.exp(0.003 * rng.normal()))
            tracker.log(run, "loss", [(value, 100, 0)])
            tracker.finish(run)
    for step in range(2 if few else 0):
        run = tracker.new_run(
            f"ladder {nasty}",
            params={"params": 10.0 ** (7 + step), "tokens": 1e9, "data": f"books {nasty}"},
        )
        tracker.log(run, "loss", [(3.0 - step, 100, 0)])
        tracker.finish(run)
    return tracker


def reported(nasty: str = "", **asked: object) -> ScaleReport:
    forecast = forecast_experiment(
        a_ladder(nasty), f"ladder {nasty}", "loss", axes=["params", "tokens"], at=AT
    )
    question = Question(**asked)  # type: ignore[arg-type]
    (report,) = report_experiment(forecast, question, command=command_of(forecast, AT, question))
    return report


@pytest.fixture(scope="module")
def full() -> ScaleReport:
    """With a target, a budget and next runs."""
    return reported(target=3.0, cost="6*params*tokens", budget=1e22)


@pytest.fixture(scope="module")
def hostile() -> ScaleReport:
    return reported(NASTY)


class Reader(HTMLParser):
    """Elements that are opened, their ids, and links that leave the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#"):
                self.links.append(str(value))


def embedded(page: str) -> dict[str, object]:
    found = re.search(
        r'<script type="application/json" id="unsl-report">(.*?)</script>', page, re.S
    )
    assert found is not None
    content: dict[str, object] = json.loads(found[1])
    return content


def test_the_verdict_comes_first(full: ScaleReport) -> None:
    assert full.decision is not None
    assert headline(full) == full.decision.verdict
    page = report_page(full)
    assert page.index(f"<strong>{full.decision.verdict}</strong>") < page.index("<h2")
    assert report_markdown(full).splitlines()[2].startswith(f"**{full.decision.verdict}**")


def test_the_verdict_is_the_gates(full: ScaleReport) -> None:
    asked = ut.gate(full.law, AT, 3.0, tested=full.tested)
    assert full.decision is not None
    assert full.decision.to_dict() == asked.to_dict()


def test_without_a_target_the_forecast_comes_first(hostile: ScaleReport) -> None:
    assert hostile.decision is None
    assert float(headline(hostile)) == pytest.approx(loss(*AT.values()), rel=0.05)
    assert f"<strong>{headline(hostile)}</strong>" in report_page(hostile)


def test_a_scale_below_the_data_is_not_called_within_it(full: ScaleReport) -> None:
    low = {"params": 1e10, "tokens": 100.0}
    forecast = forecast_experiment(a_ladder(), "ladder ", "loss", axes=["params", "tokens"], at=low)
    (report,) = report_experiment(forecast, Question(target=3.0), command="unsl report")
    assert headline(report) == "UNDECIDED"
    text = report_markdown(report)
    assert "7 decades below the tokens of all of them" in text
    assert "7 decades below the observed values of tokens" in text
    assert "lies within what" not in text


def test_page_markdown_and_json_say_the_same(full: ScaleReport) -> None:
    content = embedded(report_page(full))
    assert content == json.loads(full.to_json())
    assert content["schema"] == REPORT_SCHEMA
    for sentence in lead(full):
        assert sentence.replace("=", "\\=") in report_markdown(full).replace("=", "\\=")
    for part in ("decision", "forecast", "fit", "backtest", "allocation", "next_runs", "formula"):
        assert content[part], part


def test_everything_asked_for_has_its_section(full: ScaleReport) -> None:
    page, text = report_page(full), report_markdown(full)
    for title in ("How to spend the budget", "What to run next", "Was it right before?", "Methods"):
        assert title in page
        assert f"## {title}" in text
    for anchor in re.findall(r'href="#([^"]*)"', page.split("</nav>")[0].split("<nav")[1]):
        assert f'id="{anchor}"' in page


def test_the_same_runs_give_the_same_bytes(full: ScaleReport) -> None:
    again = reported(target=3.0, cost="6*params*tokens", budget=1e22)
    assert bundle(full) == bundle(again)


def test_nothing_is_fetched_and_ids_are_unique(full: ScaleReport) -> None:
    reader = Reader(report_page(full))
    assert reader.links == []
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.tags.count("script") == 1  # the data


def test_every_figure_has_words_for_who_cannot_see_it(full: ScaleReport) -> None:
    files = bundle(full)
    figures = [name for name in files if name.endswith(".svg")]
    assert {name.rpartition("/")[2] for name in figures} == {
        *("verdict.svg", "law-1.svg", "law-2.svg", "residuals.svg"),
        *("backtest.svg", "allocation.svg", "next-runs.svg"),
    }
    for name in figures:
        assert re.search(r"<desc id=[^>]*>[^<]{20,}</desc>", files[name].decode())
        assert f"]({name})" in files["report.md"].decode()


def test_hostile_names_are_shown_and_do_nothing(hostile: ScaleReport) -> None:
    page = report_page(hostile)
    reader = Reader(page)
    assert reader.tags.count("script") == 1
    assert "&lt;script&gt;alert(1)" in page
    text = report_markdown(hostile)
    assert "<script" not in text
    assert "[y](z)" not in text
    json.loads(hostile.to_json())
    for content in bundle(hostile).values():
        content.decode("utf-8")


def test_groups_that_are_not_reported_are_named(full: ScaleReport) -> None:
    ((name, why),) = full.others
    assert "books" in name
    assert why
    assert "books" in report_page(full)
    assert "books" in report_markdown(full)


def test_the_command_makes_the_report_again(full: ScaleReport) -> None:
    assert full.command.startswith("unsl report memory:")
    assert "--at params=1e10,tokens=1e11 --target 3 --confidence 0.9" in full.command
    assert "--budget 1e22 --cost '6*params*tokens'" in full.command


def test_the_command_repeats_what_was_given() -> None:
    question = Question(cost="params*price", given={"price": 2.5, "gpus": 8.0})
    forecast = forecast_experiment(a_ladder(), "ladder ", "loss", axes=["params", "tokens"])
    command = command_of(forecast, {}, question)
    assert "--cost 'params*price' --given price=2.5,gpus=8" in command


def test_too_few_runs_for_a_backtest_are_a_doubt_and_not_an_error() -> None:
    table = pd.DataFrame({"params": np.geomspace(1e6, 1e8, 6)})
    table["loss"] = 1.0 + 100.0 * table["params"] ** -0.3
    law = ut.fit(table, ["params"], "loss")
    report = replace(_single(law), tested=None)
    (check,) = [each for each in report.checks() if each.topic == "past forecasts"]
    assert check.state == "unknown"
    page = report_page(report)
    assert "Was it right before?" not in page


def _single(law: ut.FittedLaw) -> ScaleReport:
    from unsl_tracking.decide.support import support_of
    from unsl_tracking.experiment import answer_at
    from unsl_tracking.report import Document, Evidence, LawNote

    summary = law.summary()
    point = {axis: 10.0 * float(law.data[axis].max()) for axis in law.axes}
    rows = summary.forms.to_dict(orient="records")
    note = LawNote(summary.equation, tuple({str(k): v for k, v in r.items()} for r in rows), ())
    answer = answer_at(law, "target", point, "as asked")
    document = Document(law.value, law.mode, (answer,), Evidence(6, len(law.data), ()), note)
    return ScaleReport(document, law, fit_check(law), support_of(law, point, None))


def test_a_metric_to_maximise_is_reported_in_its_own_units() -> None:
    params = np.geomspace(1e6, 1e9, 16)
    table = pd.DataFrame({"params": params, "accuracy": 0.9 - 20.0 * params**-0.3})
    law = ut.fit(table, ["params"], "accuracy", mode="max", forms=[zoo.limited(["params"])])
    report = _single(law)
    page = report_page(report)
    assert "higher is better" in page
    assert "1 − accuracy" in page
    assert all(gain.median > report.answer.median for gain in report.gains())
    assert report.fit.scatter < 0.01


def test_the_parts_of_a_forecast_sum_to_it() -> None:
    axes = ["params", "tokens"]
    params, tokens = (g.ravel() for g in np.meshgrid(np.geomspace(1e6, 1e9, 6), [1e8, 1e9, 1e10]))
    table = pd.DataFrame({"params": params, "tokens": tokens, "loss": loss(params, tokens)})
    law = ut.fit(table, axes, "loss", forms=[zoo.chinchilla(axes)])
    found = parts(law, AT)
    assert sum(part.value for part in found) == pytest.approx(loss(*AT.values()), rel=0.02)
    limit = next(part for part in found if "limit" in part.words)
    assert limit.value == pytest.approx(1.7, rel=0.05)


def test_more_scale_buys_what_the_law_says() -> None:
    params = np.geomspace(1e6, 1e9, 16)
    table = pd.DataFrame({"params": params, "loss": 100.0 * params**-0.2})
    law = ut.fit(table, ["params"], "loss", forms=[zoo.power_law(["params"])])
    doubled, tenfold = gains(law, {"params": 1e9})
    assert doubled.change == pytest.approx(2.0**-0.2 - 1.0, abs=0.01)
    assert tenfold.change == pytest.approx(10.0**-0.2 - 1.0, abs=0.01)


def test_a_law_that_misses_its_largest_runs_is_found_out() -> None:
    params = np.geomspace(1e6, 1e9, 18)
    bend = np.where(params > 1e8, 1.5, 1.0)
    table = pd.DataFrame({"params": params, "loss": 100.0 * params**-0.2 * bend})
    law = ut.fit(table, ["params"], "loss", forms=[zoo.power_law(["params"])])
    found = fit_check(law)
    assert found.drifts
    assert found.drift > 0.0


def test_a_budget_needs_a_cost() -> None:
    with pytest.raises(DataError, match="a budget needs a cost"):
        Question(budget=1e22)


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.5, "50%"),
        (0.9991, "over 99.9%"),
        (1.0, "over 99.9%"),
        (0.0, "under 0.1%"),
        (0.99, "99.0%"),
    ],
)
def test_no_chance_is_rounded_to_certainty(probability: float, text: str) -> None:
    assert chance(probability) == text
