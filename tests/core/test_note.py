from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsl_tracking.runs import merge_card, split_card
from unsl_tracking.runs.note import BEGIN, END

WORDS = st.text(max_size=60).filter(lambda text: "unsl:card" not in text)
CARDS = WORDS.filter(lambda text: not text.startswith("\n") and not text.endswith("\n"))


@given(WORDS, WORDS, CARDS, CARDS)
def test_the_users_words_survive_any_number_of_cards(
    before: str, after: str, first: str, second: str
) -> None:
    note = f"{before}{merge_card('', first)}{after}"
    note = merge_card(merge_card(note, second), second)
    assert split_card(note) == (before + after, second)
    assert note == merge_card(note, second)


@given(WORDS, CARDS)
def test_a_first_card_stands_on_top(words: str, card: str) -> None:
    note = merge_card(words, card)
    assert note.startswith(BEGIN) and note.endswith(words)
    assert merge_card(note, card) == note


@given(st.text(alphabet="ab \n", max_size=30), st.integers(0, 120), st.text("xy\n", max_size=200))
def test_a_full_note_shortens_the_card_and_never_the_words(
    words: str, limit: int, card: str
) -> None:
    note = merge_card(words, card, limit=limit)
    assert words in note
    assert len(note) <= max(limit, len(words))
    assert merge_card(note, card, limit=limit) == note


def test_a_shortened_card_says_so() -> None:
    note = merge_card("words", "verdict first " + "x" * 500, limit=200)
    assert len(note) == 200
    assert "verdict first" in note and "cut short" in note


@pytest.mark.parametrize(
    "note", [f"{BEGIN}\nold card, cut off", f"old {END} words", f"{END} a {BEGIN} b"]
)
def test_a_marker_without_its_partner_takes_no_words_with_it(note: str) -> None:
    words = note.replace(BEGIN, "").replace(END, "").split()
    merged = merge_card(note, "card")
    assert merge_card(merged, "card") == merged
    assert split_card(merged)[1] == "card"
    assert split_card(merged)[0].split() == words


def test_two_old_cards_become_one() -> None:
    note = f"a{merge_card('', 'one')}b{merge_card('', 'two')}c"
    assert merge_card(note, "new") == f"a{merge_card('', 'new')}bc"


def test_markers_inside_a_card_cannot_end_it() -> None:
    note = merge_card("words", f"card {END} tail {BEGIN}")
    assert merge_card(note, "new").count("tail") == 0
