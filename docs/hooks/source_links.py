"""Links from a page to a file beside docs/, such as `../examples/x.py`: the file joins the site.

On a code host these links work as they are. In the built site the file is served under `source/`.
One that does not exist is left alone, and the strict build fails over it.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"\]\(\.\./([\w./-]+\.(?:py|toml|md|yml|yaml))(#[\w-]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file that some page links to."""
    root = Path(config.docs_dir).parent
    wanted: dict[str, Path] = {}
    for page in files.documentation_pages():
        for name, _ in _LINK.findall(page.content_string):
            if (root / name).is_file():
                wanted[name] = root / name
    for name, path in sorted(wanted.items()):
        # Markdown would become a page of its own, with links of its own.
        target = f"source/{name}" + (".txt" if path.suffix == ".md" else "")
        files.append(File.generated(config, target, content=path.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links at the files that joined."""
    root = Path(config.docs_dir).parent

    def local(found: re.Match[str]) -> str:
        if not (root / found[1]).is_file():
            return found[0]
        return f"](source/{found[1]}{'.txt' if found[1].endswith('.md') else ''})"

    return _LINK.sub(local, markdown)
