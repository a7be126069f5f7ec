"""The card in the run's note, which belongs to the user."""

from __future__ import annotations

import pytest

from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing.base import EXPERIMENT, ContractBase, UserSide


class NoteContract(ContractBase):
    """Our card comes and goes; the user's words stay."""

    def test_contract_a_card_is_put_into_an_empty_note(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        tracker.set_card(run_id, "**val_loss** will end near 2.1")
        assert "**val_loss** will end near 2.1" in user.read_note(run_id)

    def test_contract_the_users_note_is_kept(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.write_note(run_id, "My *own* words.\n\nSecond paragraph: größe 🚀 <b>&amp;</b>")
        tracker.set_card(run_id, "the card")
        note = user.read_note(run_id)
        assert "My *own* words.\n\nSecond paragraph: größe 🚀 <b>&amp;</b>" in note
        assert "the card" in note

    def test_contract_text_before_and_after_the_card_is_kept(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        tracker.set_card(run_id, "first card")
        card = user.read_note(run_id)
        user.write_note(run_id, f"words before\n\n{card}\n\nwords after")
        tracker.set_card(run_id, "second card")
        note = user.read_note(run_id)
        assert note.startswith("words before\n\n") and note.endswith("\n\nwords after")
        assert "second card" in note and "first card" not in note

    def test_contract_a_new_card_replaces_the_last_one(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.write_note(run_id, "words")
        for number in range(4):
            tracker.set_card(run_id, f"card number {number}")
        note = user.read_note(run_id)
        assert note.count("card number") == 1 and "card number 3" in note
        assert note.count("words") == 1

    @pytest.mark.parametrize("words", ["", "words", "words\n\n"])
    def test_contract_the_same_card_twice_is_the_same_note(
        self, tracker: Tracker, user: UserSide, run_id: str, words: str
    ) -> None:
        if words:
            user.write_note(run_id, words)
        tracker.set_card(run_id, "| a | b |\n|---|---|\n| 1 | <script> & größe |")
        once = user.read_note(run_id)
        tracker.set_card(run_id, "| a | b |\n|---|---|\n| 1 | <script> & größe |")
        assert user.read_note(run_id) == once

    def test_contract_a_long_card_leaves_the_users_words_whole(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        words = " ".join(f"word{i}" for i in range(300))
        user.write_note(run_id, words)
        for _ in range(2):
            tracker.set_card(run_id, "verdict first\n" + "long table row | " * 2000)
            note = user.read_note(run_id)
            assert words in note and "verdict first" in note

    def test_contract_cards_of_different_runs_are_apart(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        other = user.new_run(EXPERIMENT, name="other")
        tracker.set_card(run_id, "card")
        assert user.read_note(other) == ""
