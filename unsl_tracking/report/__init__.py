"""Forecasts as pictures, a card, a page and a JSON document; reports about scaling up.

`document` and `scale_report` need no extra.
"""

from __future__ import annotations

from unsl_tracking.report.card import card
from unsl_tracking.report.document import (
    LEVELS,
    SCHEMA,
    SCHEMA_VERSION,
    Answer,
    AxisNote,
    Band,
    Document,
    Evidence,
    LawNote,
    Notice,
    RunNote,
)
from unsl_tracking.report.page import page
from unsl_tracking.report.palette import DARK, LIGHT, Palette
from unsl_tracking.report.pictures import (
    CurvePicture,
    LawPicture,
    band_along,
    band_to_end,
    curve_picture,
    law_picture,
)
from unsl_tracking.report.scale_report import (
    REPORT_SCHEMA,
    REPORT_SCHEMA_VERSION,
    ScaleReport,
)

__all__ = [
    "DARK",
    "LEVELS",
    "LIGHT",
    "REPORT_SCHEMA",
    "REPORT_SCHEMA_VERSION",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Answer",
    "AxisNote",
    "Band",
    "CurvePicture",
    "Document",
    "Evidence",
    "LawNote",
    "LawPicture",
    "Notice",
    "Palette",
    "RunNote",
    "ScaleReport",
    "band_along",
    "band_to_end",
    "card",
    "curve_picture",
    "law_picture",
    "page",
]
