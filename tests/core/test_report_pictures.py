"""Figures of a real fitted law: which axis they look along, and the same bytes each time."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import unsl_tracking as ut
from tests.waiting import at_once
from unsl_tracking.experiment import answer_at
from unsl_tracking.report import (
    DARK,
    LIGHT,
    Document,
    Evidence,
    LawNote,
    RunNote,
    curve_picture,
    law_picture,
)
from unsl_tracking.report.canvas import drawable
from unsl_tracking.report.plots import forecast_png


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


@pytest.fixture(scope="module")
def law() -> ut.FittedLaw:
    """A ladder of six widths with curves of fifteen points, a little noise on them."""
    rng = np.random.default_rng(0)
    rows = [
        {"run_id": f"r{i}", "params": p, "step": s, "loss": 0.5 + 30 * p**-0.4 + 6 * s**-0.45}
        for i, p in enumerate(np.geomspace(1e4, 1e6, 6))
        for s in np.geomspace(20, 2000, 15)
    ]
    frame = pd.DataFrame(rows)
    frame["loss"] *= np.exp(rng.normal(scale=0.005, size=len(frame)))
    return ut.fit(frame, ["params", "step"], "loss", run="run_id")


def a_document(law: ut.FittedLaw, name: str = "a run", actual: float | None = None) -> Document:
    answers = (
        answer_at(law, "target", {"params": 1e7, "step": 2000.0}, "as asked"),
        answer_at(law, "final", {"params": 1e6, "step": 2000.0}, "its end", actual),
    )
    return Document(
        "loss", "min", answers, Evidence(6, 90, ()), LawNote("", (), ()), RunNote("r5", name, "")
    )


def drawn(law: ut.FittedLaw, document: Document, *, dark: bool = False) -> bytes:
    target, final = document.answers
    own = law.data[law.data["run_id"] == "r5"]
    curve = curve_picture(
        law,
        final,
        along="step",
        observed=(own["step"].to_numpy(), own["loss"].to_numpy()),
        siblings=[(np.array([20.0, 200.0]), np.array([3.0, 2.0]))],
    )
    picture = law_picture(law, target, run="r5", along="step", run_column="run_id")
    return forecast_png(document, picture, curve, palette=DARK if dark else LIGHT)


def test_the_law_is_shown_along_the_axis_that_does_most(law: ut.FittedLaw) -> None:
    target = a_document(law).answers[0]
    picture = law_picture(law, target, run="r5", along="step", run_column="run_id")
    assert picture.band.axis == "params"
    assert picture.band.fixed == {"step": 2000.0}
    assert picture.x.size == 6  # the last point of each run
    assert picture.highlight is not None
    assert picture.highlight[0] == pytest.approx(1e6)


def test_bands_reach_past_the_target_and_hold_one_another(law: ut.FittedLaw) -> None:
    target = a_document(law).answers[0]
    band = law_picture(law, target, along="step", run_column="run_id").band
    assert band.x[0] < 1e4
    assert band.x[-1] > 1e7
    for inner, outer in ((0.5, 0.8), (0.8, 0.95)):
        assert (band.intervals[outer][0] <= band.intervals[inner][0]).all()
        assert (band.intervals[inner][1] <= band.intervals[outer][1]).all()


def test_a_run_without_a_point_so_far_still_has_a_curve_to_come(law: ut.FittedLaw) -> None:
    final = a_document(law).answers[1]
    picture = curve_picture(law, final, along="step", observed=(np.empty(0), np.empty(0)))
    assert picture.band.x[-1] == pytest.approx(2000)


def test_a_figure_is_a_picture_of_the_expected_size(law: ut.FittedLaw) -> None:
    image = Image.open(io.BytesIO(drawn(law, a_document(law, actual=0.7))))
    assert image.format == "PNG"
    assert image.width > 1500
    assert 0.4 < image.height / image.width < 0.6


def test_light_and_dark_differ_in_their_background(law: ut.FittedLaw) -> None:
    document = a_document(law)
    corners = [
        Image.open(io.BytesIO(drawn(law, document, dark=dark))).convert("RGB").getpixel((0, 0))
        for dark in (False, True)
    ]
    assert corners == [(255, 255, 255), (17, 22, 29)]


def test_the_same_figure_has_the_same_bytes(law: ut.FittedLaw) -> None:
    assert drawn(law, a_document(law)) == drawn(law, a_document(law))


def test_figures_can_be_drawn_from_several_threads(law: ut.FittedLaw) -> None:
    document, seen = a_document(law), []
    at_once(*[lambda: seen.append(drawn(law, document))] * 3)
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    "name", [r"$\frac{1}$ \alpha ^_", "日本語 🚀", "a\nb\tc", "x" * 500, "$$", ""]
)
def test_any_name_can_be_drawn(law: ut.FittedLaw, name: str) -> None:
    assert drawn(law, a_document(law, name)).startswith(b"\x89PNG")


def test_characters_without_a_glyph_become_a_box() -> None:
    assert drawable("日本 α") == "▯▯ α"
    assert drawable("x" * 500, 10) == "x" * 9 + "…"


def test_a_law_over_one_axis_has_no_colours_and_one_panel() -> None:
    x = np.geomspace(1e3, 1e6, 12)
    law = ut.fit(pd.DataFrame({"params": x, "loss": 1 + 50 * x**-0.5}), ["params"], "loss")
    answer = answer_at(law, "target", {"params": 1e8}, "as asked")
    picture = law_picture(law, answer)
    assert picture.colour is None
    document = Document("loss", "min", (answer,), Evidence(12, 12, ()), LawNote("", (), ()))
    assert forecast_png(document, picture).startswith(b"\x89PNG")


def test_a_score_between_zero_and_one_is_drawn_on_a_plain_scale() -> None:
    x = np.geomspace(1e3, 1e6, 12)
    frame = pd.DataFrame({"params": x, "accuracy": 1 - 0.05 - 20 * x**-0.5})
    law = ut.fit(frame, ["params"], "accuracy", mode="max")
    answer = answer_at(law, "target", {"params": 1e8}, "as asked", actual=0.95)
    document = Document("accuracy", "max", (answer,), Evidence(12, 12, ()), LawNote("", (), ()))
    assert forecast_png(document, law_picture(law, answer)).startswith(b"\x89PNG")


def test_drawing_leaves_pyplot_alone() -> None:
    program = "import sys, unsl_tracking.report.plots; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_report_can_be_imported_without_what_it_draws_with() -> None:
    program = (
        "import sys; sys.modules.update(matplotlib=None, jinja2=None)\n"
        "import unsl_tracking.report, unsl_tracking.experiment\n"
        "try: import unsl_tracking.report.plots\n"
        "except unsl_tracking.MissingDependency as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "Pictures need matplotlib. pip install 'unsl-tracking[report]'"
