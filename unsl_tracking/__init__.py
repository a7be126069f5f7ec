"""Where will this training metric end, where at a larger scale, and how sure are we?"""

from __future__ import annotations

from unsl_tracking._version import __version__

__all__ = ["__version__"]
