"""A distribution in a folder, found like an installed one once the folder is on `sys.path`."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, module: str, code: str, points: str, distribution: str = "extra") -> None:
    """Write `<module>.py` with this code, and metadata with these entry points (their file)."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
