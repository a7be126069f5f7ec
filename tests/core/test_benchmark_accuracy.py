from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import unsl_tracking as ut
import unsl_tracking.forecast.predictive as predictive_module
from unsl_tracking.forecast.predictive import Predictive
from unsl_tracking.forecast.scoring import crps, log_score

if find_spec("benchmarks") is None:
    pytest.skip("benchmarks belong to the checkout, not to the wheel", allow_module_level=True)

from benchmarks.accuracy import (
    ablations,
    harness,
    reference_curves,
    report,
    scores,
    targets,
    widths,
)
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.manifest import describe, read_specs
from benchmarks.accuracy.methods import METHODS, OURS, SINGLE
from benchmarks.accuracy.plots import draw
from benchmarks.accuracy.splits import Split
from benchmarks.accuracy.tables import Problem, problems


def normal(mean: float, sd: float, n: int = 1) -> Predictive:
    return Predictive(np.ones(1), np.full((1, n), mean), np.full((1, n), sd))


def two_normals(n: int = 1) -> Predictive:
    return Predictive(
        np.array([0.3, 0.7]),
        np.stack([np.full(n, -1.0), np.full(n, 0.5)]),
        np.stack([np.full(n, 0.2), np.full(n, 1.5)]),
    )


def curve_table(folder: Path) -> Path:
    """Two noise-free curves 0.5 + x^-0.5, the large half of each marked as such."""
    x = np.geomspace(10.0, 1e5, 24)
    rows = pd.DataFrame({"dataset": "d", "metric": "loss", "steps_seen": x})
    both = pd.concat([rows.assign(group=g, run=f"{g}-run") for g in ("one", "two")])
    both["value"] = 0.5 + both["steps_seen"] ** -0.5
    both["training"] = (both["steps_seen"] < 1e3).astype(int)
    path = folder / "mine.csv"
    both.to_csv(path, index=False)
    return path


def chinchilla_problem() -> Problem:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"params": 10 ** rng.uniform(6, 9, 60), "tokens": 10 ** rng.uniform(8, 11, 60)}
    )
    table["value"] = 1.7 + 400.0 * table["params"] ** -0.34 + 410.0 * table["tokens"] ** -0.28
    table["value"] *= np.exp(0.002 * rng.normal(size=60))
    large = Split(by=("params", "tokens"), top=0.2).large(table)
    return Problem("made", "made", "chinchilla", ("params", "tokens"), table[~large], table[large])


class TestScores:
    def test_a_forecast_that_is_twice_the_truth_has_an_rmsle_of_ln_2(self) -> None:
        truth = np.log([1.0, 3.0])
        assert scores.rmsle(truth + np.log(2.0), truth) == pytest.approx(np.log(2.0))

    @pytest.mark.parametrize("y", [0.0, 1.3, -4.0])
    def test_crps_of_a_normal_is_the_closed_form(self, y: float) -> None:
        # Gneiting and Raftery (2007), eq. 21, for a unit normal
        expected = y * (2.0 * stats.norm.cdf(y) - 1.0) + 2.0 * stats.norm.pdf(y) - np.pi**-0.5
        assert crps(normal(0.0, 1.0), np.array([y]))[0] == pytest.approx(expected)

    def test_crps_scales_with_the_units_of_the_forecast(self) -> None:
        one = crps(normal(0.0, 1.0), np.array([0.7]))
        ten = crps(normal(0.0, 10.0), np.array([7.0]))
        assert ten[0] == pytest.approx(10.0 * one[0])

    def test_crps_of_a_mixture_is_the_integral_of_the_squared_distance_of_cdfs(self) -> None:
        p, y = two_normals(), 0.3
        grid = np.linspace(-12.0, 12.0, 2001)
        inside = (np.array([p.cdf(np.array([g]))[0] for g in grid]) - (grid >= y)) ** 2
        expected = np.trapezoid(inside, grid)
        assert crps(p, np.array([y]))[0] == pytest.approx(expected, rel=5e-3)

    def test_log_score_is_the_log_density(self) -> None:
        density = 0.3 * stats.norm.pdf(0.1, -1.0, 0.2) + 0.7 * stats.norm.pdf(0.1, 0.5, 1.5)
        assert log_score(two_normals(), np.array([0.1]))[0] == pytest.approx(np.log(density))

    def test_log_score_of_an_impossible_truth_is_finite(self) -> None:
        assert np.isfinite(log_score(normal(0.0, 0.01), np.array([3.0]))).all()

    def test_truths_drawn_from_the_forecast_are_covered_as_often_as_it_says(self) -> None:
        p = two_normals(4000)
        rng = np.random.default_rng(0)
        member = rng.choice(2, size=4000, p=p.weight)
        y = p.mean[member, 0] + p.sd[member, 0] * rng.normal(size=4000)
        covered = np.array([scores.inside(p.cdf(y), v).mean() for v in scores.LEVELS])
        assert covered == pytest.approx(np.array(scores.LEVELS), abs=0.02)
        assert scores.calibration_error(covered) < 1e-3

    def test_an_interval_holds_the_truth_exactly_where_it_is_between_its_bounds(self) -> None:
        p = two_normals(50)
        y = np.linspace(-4.0, 4.0, 50)
        low, high = scores.interval(p, 0.8)
        assert (scores.inside(p.cdf(y), 0.8) == ((low <= y) & (y <= high))).all()

    def test_width_is_relative_to_the_median_and_in_units_of_the_metric(self) -> None:
        low, middle, high = (np.log([v]) for v in (1.5, 2.0, 3.0))
        assert scores.relative_width(low, middle, high)[0] == pytest.approx(0.75)

    def test_a_distribution_that_is_no_mixture_of_normals_is_refused(self) -> None:
        class Wider(Predictive):
            def cdf(self, ln_y: np.ndarray) -> np.ndarray:
                return np.asarray(0.5 + 0.4 * (super().cdf(ln_y) - 0.5)) + 0.05

        scores.check_is_normal_mixture(two_normals())
        with pytest.raises(ut.DataError, match="mixtures of normals"):
            scores.check_is_normal_mixture(Wider(*vars(two_normals()).values()))


class TestSplits:
    def test_rows_of_one_budget_stay_together_and_the_nearest_share_wins(self) -> None:
        # the largest budget holds 10%, the largest two 24%
        budget = np.repeat([1e18, 1e19, 1e20, 1e21], [40, 36, 14, 10])
        large = Split.read({"by": ["c"], "top": 0.2}).large(pd.DataFrame({"c": budget}))
        assert large.sum() == 24
        assert budget[large].min() == 1e20

    def test_budgets_that_differ_by_rounding_are_one_budget(self) -> None:
        budget = np.repeat([1.0, 2.0], 10) * (1.0 + 1e-4 * np.arange(20))
        large = Split(by=("c",), top=0.2).large(pd.DataFrame({"c": budget}))
        assert large.sum() == 10

    def test_a_product_beyond_64_bits_is_still_the_largest(self) -> None:
        rows = pd.DataFrame({"n": [10**10, 10**6, 10**6], "d": [10**10, 10**9, 10**8]})
        assert Split(by=("n", "d"), above=1e19).large(rows).tolist() == [True, False, False]

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ({"by": ["x"], "from": 3}, [False, False, True, True]),
            ({"by": ["x"], "above": 3}, [False, False, False, True]),
            ({"by": ["x"], "first": 0.5}, [False, False, True, True]),
            ({"by": ["x"], "first": 0.3}, [False, False, True, True]),
            ({"column": "part", "train": ["a", "c"]}, [False, True, False, True]),
        ],
    )
    def test_every_rule_marks_the_large_rows(
        self, rule: dict[str, object], expected: list[bool]
    ) -> None:
        rows = pd.DataFrame({"x": [1, 2, 3, 4], "part": list("abcb")})
        assert Split.read(rule).large(rows).tolist() == expected

    def test_the_last_row_alone_can_be_scored(self) -> None:
        rows = pd.DataFrame({"x": [1.0, 4.0, 3.0, 2.0]})
        split = Split(by=("x",), first=0.5, score="last")
        assert split.scored(rows, split.large(rows)).tolist() == [False, True, False, False]

    def test_two_rules_at_once_are_refused(self) -> None:
        with pytest.raises(ut.DataError, match="exactly one rule"):
            Split.read({"by": ["x"], "top": 0.2, "above": 3})


class TestTables:
    def test_a_table_without_a_manifest_speaks_for_itself(self, tmp_path: Path) -> None:
        spec = describe(curve_table(tmp_path))
        assert spec.axes == ("steps_seen",)
        found = problems(tmp_path, [spec])
        assert [len(p.train) for p in found] == [12, 12]
        assert found[0].test["steps_seen"].min() > found[0].train["steps_seen"].max()

    def test_accuracies_become_errors_and_those_at_chance_a_domain_of_their_own(
        self, tmp_path: Path
    ) -> None:
        x = np.geomspace(1.0, 100.0, 20)
        learns = pd.DataFrame({"x": x, "metric": "acc:a", "value": 0.5 + 0.1 * np.log10(x)})
        guesses = pd.DataFrame({"x": x, "metric": "acc:b", "value": 0.5})
        pd.concat([learns, guesses]).to_csv(tmp_path / "t.csv", index=False)
        (tmp_path / "manifest.toml").write_text(
            '[[table]]\nfile = "t.csv"\naxes = ["x"]\nsets = ["metric"]\ndomain = "error"\n'
            'best = { "acc:*" = 1.0 }\nchance = { "acc:*" = 0.5 }\n'
            'split = { by = ["x"], top = 0.2 }\n'
        )
        found = problems(tmp_path, read_specs(tmp_path))
        assert [p.domain for p in found] == ["error", "at chance"]
        assert found[0].train["value"].iloc[0] == pytest.approx(0.5)
        assert found[1].secondary

    def test_a_misspelt_key_of_the_manifest_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.toml").write_text('[[table]]\nfile = "t.csv"\naxis = ["x"]\n')
        with pytest.raises(ut.DataError, match="axis"):
            read_specs(tmp_path)

    def test_a_curve_whose_end_diverged_is_not_scored_at_its_end(self, tmp_path: Path) -> None:
        table = pd.DataFrame({"step": np.arange(1, 21), "value": [*np.linspace(3, 2, 19), np.nan]})
        table.assign(run="r").to_csv(tmp_path / "t.csv", index=False)
        (tmp_path / "manifest.toml").write_text(
            '[[table]]\nfile = "t.csv"\naxes = ["step"]\nsets = ["run"]\n'
            'split = { by = ["step"], first = 0.5, score = "last" }\n'
        )
        assert problems(tmp_path, read_specs(tmp_path)) == []


class TestMethods:
    def test_the_right_form_finds_a_noise_free_law_and_the_last_value_does_not(
        self, tmp_path: Path
    ) -> None:
        problem = problems(tmp_path, [describe(curve_table(tmp_path))])[0]
        found = harness.solve(problem, ["M2", "naive"]).scores
        assert found["M2"].rmsle < 1e-3
        last = np.log(problem.train["value"].iloc[-1] / problem.test["value"])
        assert found["naive"].rmsle == pytest.approx(float(np.sqrt(np.mean(last**2))))

    def test_two_implementations_of_chinchilla_agree_on_a_chinchilla_law(self) -> None:
        # in workers: SciPy's many small steps crawl where BLAS has several threads
        found = harness.run([chinchilla_problem()] * 2, ["CF", "CF-scipy"], jobs=2)[1].scores
        assert found["CF-scipy"].rmsle < 0.004  # the noise is 0.002
        assert found["CF"].rmsle < 0.004
        assert not found["CF-scipy"].has_interval

    def test_methods_answer_only_where_they_apply(self) -> None:
        found = harness.solve(chinchilla_problem(), ["BNSL", "M4", "DC", "CF"]).scores
        assert list(found) == ["CF"]

    def test_a_refusal_is_kept_with_its_reason(self) -> None:
        problem = chinchilla_problem()
        few = Problem("s", "d", "n", problem.axes, problem.train[:4], problem.test)
        found = harness.solve(few, ["CF", "naive"]).scores
        assert "TooLittleEvidence" in found["CF"].refusal
        table = report.summary([harness.Result(few, found)])
        assert table.loc["CF", "refused"] == 1
        assert table.loc["naive", "sets"] == 1

    def test_what_is_scored_is_what_a_user_is_told(self, tmp_path: Path) -> None:
        problem = problems(tmp_path, [describe(curve_table(tmp_path))])[0]
        found = METHODS[OURS](problem)
        assert found is not None and found.law is not None and found.distribution is not None
        told = found.law.predict(problem.test[["steps_seen"]])
        assert np.exp(found.ln_y) == pytest.approx(told.median)
        low, high = scores.interval(found.distribution, 0.8)
        told_low, told_high = told.interval(0.8)
        assert np.exp(low) == pytest.approx(told_low)
        assert np.exp(high) == pytest.approx(told_high)

    def test_without_averaging_there_is_one_form(self, tmp_path: Path) -> None:
        problem = problems(tmp_path, [describe(curve_table(tmp_path))])[0]
        found = harness.solve(problem, [SINGLE]).scores[SINGLE]
        assert found.has_interval


class TestWidths:
    def test_the_factor_that_calibrates_the_others_is_found(self) -> None:
        def coverage(width: float) -> np.ndarray:
            return (
                2.0 * stats.norm.cdf(width * stats.norm.ppf(0.5 + 0.5 * np.array(scores.LEVELS)))
                - 1
            )

        # intervals of these sources are twice and half as wide as they should be
        wide = widths.Coverage("wide", "curves", {f: coverage(2.0 * f) for f in widths.FACTORS})
        narrow = widths.Coverage("narrow", "curves", {f: coverage(0.5 * f) for f in widths.FACTORS})
        assert widths.best_factor([wide]) == 0.5
        assert widths.best_factor([narrow]) == 2.0
        rows = widths.coverage_by_source([wide, narrow]).to_dict("records")
        assert [(r["source"], r["factor"]) for r in rows[:2]] == [("wide", 2.0), ("narrow", 0.5)]
        assert rows[1]["80% left out"] < rows[1]["80% now"]
        other = widths.Coverage("other", "several axes", wide.by_factor)
        rows = widths.coverage_by_source([wide, narrow, other]).to_dict("records")
        assert rows[3]["factor"] == 1.0  # nothing like it to learn from

    def test_a_larger_width_covers_more(self, tmp_path: Path) -> None:
        problem = problems(tmp_path, [describe(curve_table(tmp_path))])[0]
        noisy = problem.train.assign(
            value=problem.train["value"] * np.exp(0.02 * np.random.default_rng(0).normal(size=12))
        )
        fitted = ut.fit(noisy, axes=problem.axes, value="value")
        found = widths.coverage_by_width(fitted.mixture, problem)
        means = [found[f].mean() for f in widths.FACTORS]
        assert means == sorted(means)
        assert means[-1] > means[0] or means[0] == 1.0


class TestCommand:
    def test_it_writes_markdown_json_and_pictures(self, tmp_path: Path) -> None:
        curve_table(tmp_path)
        out = tmp_path / "out"
        command = [
            "--data",
            str(tmp_path),
            "--out",
            str(out),
            "--jobs",
            "1",
            "--methods",
            "M2,naive",
        ]
        assert main(command) == 0
        figures = json.loads((out / "accuracy.json").read_text())
        assert [s["set"] for s in figures] == ["d one one-run loss", "d two two-run loss"]
        assert figures[0]["methods"]["naive"]["log_score"] is None
        assert "| naive" in (out / "accuracy.md").read_text()

    def test_pictures_of_our_forecasts_are_drawn(self, tmp_path: Path) -> None:
        problem = problems(tmp_path, [describe(curve_table(tmp_path))])[0]
        results = [harness.solve(problem, [OURS])]
        with np.errstate(all="warn"):
            written = draw(results, tmp_path)
        assert {p.name for p in written} == {"calibration.png", "mine_1.png"}

    def test_targets_that_nothing_speaks_to_are_left_out(self, tmp_path: Path) -> None:
        problem = problems(tmp_path, [describe(curve_table(tmp_path))])[0]
        lines = targets.check([harness.solve(problem, [OURS])])
        assert lines
        assert not any("vision" in str(line) for line in lines)

    @pytest.mark.parametrize("bad", [["--methods", "mine"], ["--only", "nothing"]])
    def test_what_is_not_there_is_a_usage_error(
        self, bad: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        curve_table(tmp_path)
        assert main(["--data", str(tmp_path), *bad]) == 2
        assert "error:" in capsys.readouterr().err


class TestPublishedProcedures:
    @pytest.fixture
    def problem(self, tmp_path: Path) -> Problem:
        """A sigmoid in ln x between 0.2 and 1: a law that both forms contain or come close to."""
        x = np.geomspace(1.0, 300.0, 16)
        table = pd.DataFrame({"x": x, "value": 0.2 + 0.8 / (1.0 + x**0.5 / 2.0)})
        table["training"] = (table["x"] < 80.0).astype(int)
        table.to_csv(tmp_path / "curve.csv", index=False)
        return problems(tmp_path, [describe(tmp_path / "curve.csv")])[0]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["M4-published", "BNSL-published"])
    def test_it_extrapolates_a_smooth_curve_better_than_its_last_value(
        self, name: str, problem: Problem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reference_curves, "_GRADIENT_STEPS", 10)
        monkeypatch.setattr(reference_curves, "_MOST_ROUNDS", 300)
        found = harness.solve(problem, [name, "naive"]).scores
        assert found[name].rmsle < 0.5 * found["naive"].rmsle

    def test_it_has_nothing_to_say_on_several_axes(self) -> None:
        assert harness.solve(chinchilla_problem(), ["M4-published", "BNSL-published"]).scores == {}


class TestAblations:
    def test_a_part_is_out_only_while_its_row_is_measured(self) -> None:
        laplace = ablations.PARTS["no origin errors (Laplace)"]
        with ablations.without(laplace):
            assert vars(predictive_module)["WIDTH"] == 0.0
        assert vars(predictive_module)["WIDTH"] > 0.0

    @pytest.mark.parametrize("name", ablations.PARTS)
    def test_every_name_that_a_part_replaces_is_there(self, name: str) -> None:
        with ablations.without(ablations.PARTS[name]):
            pass

    def test_a_name_that_is_gone_is_an_error_not_a_row_of_the_whole_method(self) -> None:
        gone = ablations.Part((ablations.Name("fit.search", "_NO_SUCH_NAME", 0),))
        with pytest.raises(ut.UnslError, match="names that exist"), ablations.without(gone):
            pass

    def test_a_table_has_a_row_per_part_and_parts_matter(self) -> None:
        chosen = (ablations.CF, "no breaks", "curves' width on several axes")
        result = ablations.solve(chinchilla_problem(), chosen)
        table = ablations.table([result], chosen).set_index("without")
        assert list(table.index) == [ablations.WHOLE, *chosen]
        assert table.loc[ablations.WHOLE, "× RMSLE"] == 1.0
        forms = {s.form for s in result.scores.values()}
        assert result.scores[ablations.CF].form == "CF"
        assert len(forms) > 1
        wide, whole = (result.scores[n].width[0.8] for n in (chosen[2], ablations.WHOLE))
        assert wide > whole
