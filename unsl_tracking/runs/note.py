"""Our card inside a note that belongs to the user.

    text of the user
    <!-- unsl:card -->
    | forecast | … |
    <!-- /unsl:card -->
    more text of the user

Only what stands between the two markers is ours. A marker that lost its partner (a note cut off,
or edited by hand) is taken away and the text around it is kept: better an old card too many
than a line of the user's too few.
"""

from __future__ import annotations

import re
from typing import Final

BEGIN: Final = "<!-- unsl:card -->"
END: Final = "<!-- /unsl:card -->"

_CARD = re.compile(f"{re.escape(BEGIN)}(?:(?!{re.escape(BEGIN)}).)*?{re.escape(END)}", re.DOTALL)
_MARKERS = re.compile(f"(?:{re.escape(BEGIN)}|{re.escape(END)})\n?")
_CUT: Final = "\n… (cut short: the note is full)"


def merge_card(note: str, card: str, *, limit: int | None = None) -> str:
    """The note with `card` in the place of our last one, or on top when there was none.

    `limit` is the number of characters the tracker keeps of a note. The card is cut short to stay
    below it, and left out where the user's text leaves no room; the user's text is never cut.
    Merging the same card again gives the same note.
    """
    before, after = _around_card(note)
    frame = len(BEGIN) + len(END) + 2
    text = _MARKERS.sub("", card).strip("\n")
    first_card = _CARD.search(note) is None
    gap = "\n\n" if first_card and after else ""
    if limit is not None:
        room = limit - len(before) - len(after) - frame - len(gap)
        if len(text) > room:
            if room < len(_CUT):
                return before + after
            text = text[: room - len(_CUT)] + _CUT
    return f"{before}{BEGIN}\n{text}\n{END}{gap}{after}"


def split_card(note: str) -> tuple[str, str]:
    """The user's text without our card, and the card without its markers ("" if none)."""
    found = _CARD.search(note)
    card = found.group()[len(BEGIN) : -len(END)].strip("\n") if found else ""
    return "".join(_around_card(note)), card


def _around_card(note: str) -> tuple[str, str]:
    """What the user wrote before and after the first card; further cards are dropped."""
    found = _CARD.search(note)
    if found is None:
        return "", _MARKERS.sub("", note)
    before, after = note[: found.start()], _CARD.sub("", note[found.end() :])
    return _MARKERS.sub("", before), _MARKERS.sub("", after)
