"""How a forecast was made, in a paragraph that can be quoted, and what it is built on."""

from __future__ import annotations

from unsl_tracking.report import numbers
from unsl_tracking.report.scale_report import ScaleReport

CITATIONS = (
    ("UNSL", "Caballero, Jaini, Krueger, Rish", "arXiv 2605.26248", "the layers of the law"),
    ("BNSL", "Caballero, Gupta, Rish, Krueger", "arXiv 2210.14891", "smoothly broken power laws"),
    ("Chinchilla", "Hoffmann et al.", "arXiv 2203.15556", "one bottleneck per axis above a limit"),
    ("M1 to M4", "Alabdulmohsin et al.", "arXiv 2209.06640", "extrapolation as the measure"),
    ("Repeated data", "Muennighoff et al.", "arXiv 2305.16264", "what repeated tokens are worth"),
    ("Robust fit", "Huber 1981", "Robust Statistics", "the loss that outliers cannot dominate"),
    ("Rolling origins", "Tashman 2000", "Int. J. Forecasting 16", "scores out of sample"),
    ("Averaging", "Bates & Granger 1969", "OR Quarterly 20", "why forms are averaged"),
    ("Calibration", "Gneiting & Raftery 2007", "JASA 102", "proper scores of intervals"),
)
"""(topic, authors, where, what is taken from it)."""


def methods(report: ScaleReport) -> tuple[str, ...]:
    """Paragraphs of plain text."""
    law, document = report.law, report.document
    forms = numbers.plural(len(law.mixture.members), "form")
    seed = document.provenance.get("seed", str(law.seed))
    version = document.provenance.get("unsl_tracking", "")
    paragraphs = [
        f"{document.metric} of {numbers.plural(document.evidence.runs, 'run')} "
        f"({numbers.plural(document.evidence.points, 'observation')}) was modelled over "
        f"{', '.join(law.axes)} with unsl_tracking {version} (seed {seed}). A ladder of nested "
        "forms of the Unified Neural Scaling Law, from a Chinchilla form to broken power laws "
        "with bottlenecks and a ceiling, was fitted by maximum a posteriori to the logarithm of "
        "the metric with Huber's loss and weakly informative priors. Each form was also fitted to "
        "the smaller scales only and scored on the next larger ones; these errors, not the fit, "
        f"set the weights of the {forms} that the forecast averages.",
        "Intervals are of a single new run. They combine the uncertainty of the parameters, the "
        "errors that these laws made at the rolling origins, which grow with the distance "
        "extrapolated, and the scatter of single runs. "
        + (
            "They were checked by a backtest: the law was refitted to the runs below several "
            "sizes and compared with every larger one; nothing above a size took part in its "
            "forecast."
            if report.tested is not None
            else "There were too few runs for a backtest of this ladder."
        ),
    ]
    if report.decision is not None:
        paragraphs.append(
            "The verdict is GO where the probability of ending better than the target is at least "
            "the confidence asked for, NO-GO where that of not doing so is, and UNDECIDED "
            "otherwise, or wherever the history of this ladder does not support a forecast that "
            "far ahead."
        )
    paragraphs.append(
        "The exact parameterisation of the law is that of unsl_tracking and follows public "
        "descriptions of the paper; it is not claimed to be the paper's symbol for symbol."
    )
    return tuple(paragraphs)
