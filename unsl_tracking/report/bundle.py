"""The files of a report: page, markdown with its figures, JSON.

Needs jinja2 and matplotlib (`pip install 'unsl-tracking[report]'`).
"""

from __future__ import annotations

from unsl_tracking.report.drawings import drawings_of
from unsl_tracking.report.report_markdown import report_markdown
from unsl_tracking.report.report_page import report_page
from unsl_tracking.report.scale_report import ScaleReport

SUFFIXES = (".html", ".md", ".json")


def bundle(report: ScaleReport, stem: str = "report") -> dict[str, bytes]:
    """Every file by its path in a folder: `report.html`, `.md`, `.json`, `report-figures/….svg`."""
    drawings = drawings_of(report)
    links = {name: f"{stem}-figures/{name}.svg" for name in drawings}
    texts = {
        f"{stem}.html": report_page(report, drawings),
        f"{stem}.md": report_markdown(report, links),
        f"{stem}.json": report.to_json(),
        **{links[name]: each.svg + "\n" for name, each in drawings.items()},
    }
    return {path: text.encode("utf-8", "replace") for path, text in texts.items()}


def one_file(report: ScaleReport, suffix: str) -> bytes:
    """The report as one file of a kind in `SUFFIXES`; markdown then has no figures."""
    match suffix:
        case ".html":
            text = report_page(report)
        case ".md":
            text = report_markdown(report)
        case _:
            text = report.to_json()
    return text.encode("utf-8", "replace")
