"""Document, card and page: what they say, that they escape, and that they do not change."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from unsl_tracking.report import (
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
    card,
    page,
)
from unsl_tracking.report import numbers as n
from unsl_tracking.report.card import escape

NASTY = '<script>alert("1")</script> | `rm` [x](http://evil) **b** \n& 日本 \x00 ](javascript:x)'
PNG = b"\x89PNG\r\n\x1a\nnot really a picture"


def an_answer(name: str = "target", actual: float | None = None) -> Answer:
    return Answer(
        name=name,
        point={"params": 7e9, "tokens": 1.4e11},
        why="as asked",
        median=2.1034,
        intervals={0.5: (2.08, 2.13), 0.8: (2.0512, 2.1698), 0.95: (2.0, 2.25)},
        actual=actual,
        warnings=(Notice("extrapolation", "params goes 1 decade beyond", "params", 1.0, name),),
    )


def a_document(text: str = "plain") -> Document:
    axis = AxisNote("params", 1e6, 1e9, 5, text)
    return Document(
        metric="val_loss",
        mode="min",
        answers=(an_answer(),),
        evidence=Evidence(20, 340, (axis,), {text: text}, (text,), ((text, text),)),
        law=LawNote(
            "y = A·params^-α",
            ({"form": text, "weight": 0.7, "origin_error": 0.012, "parameters": 5},),
            ({"form": text, "parameter": "α", "meaning": text, "estimate": 0.3, "lo80": 0.2},),
        ),
        run=RunNote("id1", text, "RUNNING", 12),
        tracker="memory:",
        experiment=text,
        warnings=(Notice("unidentified", text),),
        provenance={"unsl_tracking": "0.1.0", "seed": "0"},
    )


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7e9, "7e9"),
        (1.4e11, "1.4e11"),
        (64, "64"),
        (99_999, "99999"),
        (100_000, "1e5"),
        (123_456, "1.23e5"),
        (0.125, "0.125"),
        (3e-4, "3e-4"),
        (0, "0"),
        (math.nan, "nan"),
    ],
)
def test_scales_are_short(value: float, text: str) -> None:
    assert n.scale(value) == text


def test_a_scale_written_exactly_reads_back_as_itself() -> None:
    for value in (7e9, 123_456.0, 1 / 3, 1e-30, 12345.678):
        assert float(n.exact(value)) == value


def test_an_interval_shows_two_digits_of_its_width() -> None:
    assert n.interval(2.0512, 2.1698) == "2.05–2.17"
    assert n.interval(0.70012, 0.70034) == "0.70012–0.70034"
    assert n.interval(100.0, 900.0) == "100–900"


def test_an_interval_without_width_still_has_digits() -> None:
    assert n.interval(0.5, 0.5) == "0.5000–0.5000"


def test_small_weights_are_not_zero() -> None:
    assert n.percent(0.001) == "<1%"
    assert n.percent(0.625) == "62%"


# --- document ------------------------------------------------------------------------------------


def test_the_json_says_its_schema_first() -> None:
    text = a_document().to_json()
    found = json.loads(text)
    assert list(found)[:2] == ["schema", "schema_version"]
    assert (found["schema"], found["schema_version"]) == (SCHEMA, SCHEMA_VERSION)
    assert text.endswith("}\n")


def test_the_json_is_strict_even_when_numbers_are_not_finite() -> None:
    def fail(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    document = a_document()
    broken = replace(
        document,
        answers=(replace(an_answer(), median=math.nan, actual=math.inf),),
        law=LawNote("y", ({"form": "a", "weight": np.float64("nan"), "n": np.int64(3)},), ()),
        curve=Band("step", {"params": 1.0}, np.array([1.0]), np.array([np.nan]), {}),
    )
    found = json.loads(broken.to_json(), parse_constant=fail)
    assert found["answers"][0]["median"] is None
    assert found["law"]["forms"][0] == {"form": "a", "weight": None, "n": 3}
    assert found["curve"]["median"] == [None]


def test_the_json_can_be_encoded_whatever_a_run_is_called() -> None:
    half_an_emoji = "\ud83d"
    a_document(half_an_emoji).to_json().encode("utf-8")


def test_the_json_keeps_unicode_readable() -> None:
    assert "日本" in a_document("日本").to_json()


def test_the_target_is_the_headline_whatever_its_place() -> None:
    document = replace(a_document(), answers=(an_answer("final"), an_answer("target")))
    assert document.headline.name == "target"
    assert replace(document, answers=(an_answer("final"),)).headline.name == "final"


def test_a_warning_said_twice_is_listed_once() -> None:
    document = replace(a_document(), answers=(an_answer("final"), an_answer("target")))
    messages = [notice.message for notice in document.all_warnings()]
    assert messages == ["plain", "params goes 1 decade beyond"]


def test_an_answer_knows_whether_the_truth_lies_inside() -> None:
    assert an_answer().inside() is None
    assert an_answer(actual=2.1).inside() is True
    assert an_answer(actual=2.2).inside() is False
    assert an_answer(actual=2.2).inside(0.95) is True


# --- card ----------------------------------------------------------------------------------------


def test_the_card_begins_with_the_number() -> None:
    first = card(a_document()).splitlines()[0]
    assert first == r"**val\_loss at params=7e9, tokens=1.4e11: 2.10** (80%: 2.05–2.17)"


def test_the_card_says_how_it_came_out() -> None:
    document = replace(a_document(), answers=(an_answer(actual=2.3),))
    assert "actual **2.30**, outside" in card(document).splitlines()[0]


def test_the_card_shows_a_picture_only_where_the_tracker_can() -> None:
    assert "![" not in card(a_document())
    assert "![forecast of val\\_loss](/get-artifact?x)" in card(
        a_document(), image="/get-artifact?x"
    )


def test_nothing_from_a_run_is_markup_in_the_card() -> None:
    text = card(a_document(NASTY))
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\[x", text)
    assert not re.search(r"(?<!\\)`rm", text)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}


def test_escaped_text_is_one_line_and_not_too_long() -> None:
    assert "\n" not in escape("a\nb\r\nc")
    assert len(escape("x" * 10_000)) <= 160


def test_a_card_with_very_many_warnings_stays_short() -> None:
    many = tuple(Notice("noisy", f"{i} " + "word " * 200) for i in range(200))
    text = card(replace(a_document("y" * 5000), warnings=many))
    assert len(text) < 5000
    assert "and 195 more" in text


# --- page ----------------------------------------------------------------------------------------


class Collector(HTMLParser):
    """Every tag with its attributes, and the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Collector:
    collector = Collector()
    collector.feed(html)
    return collector


def test_many_forms_are_listed_by_weight_and_the_rest_together() -> None:
    document = a_document()
    rows = tuple({"form": f"F{i}", "weight": 0.1, "parameters": i} for i in range(10))
    parameters = tuple({**document.law.parameters[0], "form": row["form"]} for row in rows)
    html = page(replace(document, law=LawNote("y", rows, parameters)), light=PNG)
    table = html[html.index("weight in the forecast") : html.index("<h2>Parameters of F0</h2>")]
    assert "F5" in table
    assert "F6" not in table
    assert re.search(r"4 others</td>.*40%</td>", table)
    assert html.count("<details>") == 1
    assert "9 other forms" in html


def test_the_page_asks_nobody_for_anything() -> None:
    html = page(a_document(NASTY), light=PNG, dark=PNG)
    collector = read(html)
    assert {tag for tag, _ in collector.tags}.isdisjoint(
        {"script", "link", "iframe", "object", "embed", "form", "base", "a", "audio", "video"}
    )
    for tag, attributes in collector.tags:
        for name in ("src", "srcset", "href", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:image/png;base64,"), (tag, name)
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_forbids_requests_itself() -> None:
    policies = [
        attributes["content"]
        for tag, attributes in read(page(a_document(), light=PNG)).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_no_attribute_of_the_page_handles_events() -> None:
    html = page(a_document('" onload="alert(1)'), light=PNG)
    assert not [
        name for _, attributes in read(html).tags for name in attributes if name[:2] == "on"
    ]


def test_nothing_from_a_run_is_markup_in_the_page() -> None:
    text = "<b>bold</b><img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    collector = read(page(a_document(text), light=PNG))
    assert text in collector.text
    assert "b" not in {tag for tag, _ in collector.tags}
    assert len([tag for tag, _ in collector.tags if tag == "img"]) == 1


def test_the_page_has_a_dark_side() -> None:
    html = page(a_document(), light=PNG, dark=PNG)
    assert "@media (prefers-color-scheme: dark)" in html
    assert 'media="(prefers-color-scheme: dark)"' in html


def test_the_page_tells_what_was_read_left_out_and_warned_of() -> None:
    document = replace(
        a_document(), evidence=Evidence(3, 9, (), {}, ("a note",), (("2 rows of r1", "NaN"),))
    )
    text = read(page(document, light=PNG)).text
    for expected in ("2.10", "80%: 2.05–2.17", "a note", "2 rows of r1", "NaN", "70%", "1.2%"):
        assert expected in text


def test_the_same_document_is_the_same_page_and_card_and_json() -> None:
    one, two = a_document(NASTY), a_document(NASTY)
    assert one.to_json() == two.to_json()
    assert card(one) == card(two)
    assert page(one, light=PNG) == page(two, light=PNG)
