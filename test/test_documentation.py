"""What the documentation says of parameters is what the code does."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

from bodyseg_ros.cli.parameter_flags import all_parameters
from bodyseg_ros.cli.params import markdown

ROOT = Path(__file__).resolve().parent.parent


def test_the_parameter_page_is_up_to_date() -> None:
    page = (ROOT / "docs/parameters.md").read_text(encoding="utf-8")
    assert page == markdown(list(all_parameters())), "run: bodyseg params --format markdown > docs/parameters.md"


def test_the_topics_page_is_up_to_date() -> None:
    page = (ROOT / "docs/topics.md").read_text(encoding="utf-8")
    made = runpy.run_path(str(ROOT / "scripts/topics_page.py"))["page"]()
    assert page == made, "run: python scripts/topics_page.py > docs/topics.md"


def test_the_readme_is_short() -> None:
    """One screen and a half: what it is, how to get it, where to go on."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 80


def sentences() -> list[str]:
    """All texts in the package's code, with … for what is filled in."""
    found = []
    for path in (ROOT / "bodyseg_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    found += [path.read_text(encoding="utf-8") for path in (ROOT / "bodyseg_ros/web/page").glob("*.js")]
    return found


def test_each_sentence_in_troubleshooting_is_one_that_the_package_says() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8").replace("\n", " ")
    quoted = re.findall(r'\*\*"([^"]+)"\*\*', page)
    assert len(quoted) > 15
    parts = {part.strip(" :;,.") for sentence in quoted for part in sentence.split("…")} - {""}
    said = sentences()
    assert [part for part in sorted(parts) if not any(part in text for text in said)] == []


def test_every_picture_of_the_pages_has_the_command_that_makes_it_in_its_caption() -> None:
    made = runpy.run_path(str(ROOT / "scripts/pictures.py"))["captions"]()
    pictures = {path for path in (ROOT / "docs").iterdir() if path.suffix in (".png", ".jpg", ".webp")}
    assert len(pictures) > 8
    assert {path.relative_to(ROOT).as_posix() for path in pictures} | {"docs/effects/gallery.jpg"} == made.keys()


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme


def test_every_local_link_leads_somewhere() -> None:
    links = [
        (page, target)
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 10
    for page, target in links:
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_what_architecture_says_where_is_there() -> None:
    """The table "Where to look": each file is there, and holds what is named beside it."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = page.partition("## Where to look")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]* \| ([^|]*`[^|]*) \| ([^|]*) \|$", table, re.MULTILINE)
    assert len(rows) > 20
    for files, functions in rows:
        named = re.findall(r"`([\w/.]+\.(?:py|c))`", files + functions)
        text = "".join((ROOT / "bodyseg_ros" / name).read_text(encoding="utf-8") for name in named)
        for function in re.findall(r"`(\w+)`", functions):
            assert re.search(rf"\b{function}\b", text), f"{function} is not in {', '.join(named)}"
