"""MkDocs hooks: pages that lie outside docs/, and links as they are written for a checkout.

Pages link to each other as files of the repository, so that they work in any viewer. On the site, pages outside docs/
stand at the same path below its root; a link to a file that is no page becomes its name.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent
#: Pages outside docs/.
ELSEWHERE: Final = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/**/*.md", "models/**/*.md")
_PICTURES: Final = (".png", ".jpg", ".webp")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, and the pictures beside them."""
    for pattern in ELSEWHERE:
        for page in sorted(ROOT.glob(pattern)):
            pictures = (
                [] if page.parent == ROOT else [path for path in page.parent.iterdir() if path.suffix in _PICTURES]
            )
            for path in (page, *pictures):
                name = path.relative_to(ROOT).as_posix()
                if files.get_file_from_path(name) is None:
                    files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links from where the file lies in the repository to where its page is on the site."""
    here = page.file.src_uri
    source = (
        here
        if any(ROOT.joinpath(here) == path for pattern in ELSEWHERE for path in ROOT.glob(pattern))
        else f"docs/{here}"
    )

    def rewritten(match: re.Match[str]) -> str:
        text, target, anchor = match["text"], match["target"], match["anchor"] or ""
        if re.match(r"[a-z]+:", target) or not target:
            return match.group()
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        name = name.removeprefix("docs/")
        if name == "README.md":
            name = "index.md"
        if files.get_file_from_path(name) is None:
            return text if match["picture"] == "" else match.group()
        return f"{match['picture']}[{text}]({posixpath.relpath(name, posixpath.dirname(here) or '.')}{anchor})"

    return re.sub(
        r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)]*)?\)", rewritten, markdown
    )
