"""The site of the documentation: built strictly, every page reachable, nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

if importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocs") is None:
    pytest.skip(
        "the site's builder is not installed (mkdocs-material, extra docs): make setup-dev",
        allow_module_level=True,
    )

# What a page loads by itself; a link (<a href>) is followed by a reader alone.
LOADED = {"src", "srcset", "data", "poster", "action", "formaction", "background"}
LINKS_THAT_LOAD_NOTHING = {"canonical", "next", "prev", "alternate"}
HOST = re.compile(r"(?:https?:)?//[\w.-]+\.\w+")
NAMESPACES = ("http://www.w3.org/",)


def build(repository: Path, config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "--site-dir", site],
        cwd=repository,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(repository, repository / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    return folder


class Loads(HTMLParser):
    """Addresses that a page loads, and text that its own scripts and styles hold."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.code: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._inside = tag
        self.addresses += [v for name, v in given.items() if name in LOADED]
        self.code += [given[name] for name in ("style", "onload", "content") if name in given]
        if tag == "link" and given.get("rel") not in LINKS_THAT_LOAD_NOTHING:
            self.addresses.append(given.get("href", ""))
        assert "mermaid" not in given.get("class", ""), "diagrams need a script of another host"

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.code.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def loads_elsewhere(html: str) -> list[str]:
    page = Loads()
    page.feed(html)
    result = [a for a in page.addresses if HOST.match(a)]
    return result + [h for text in page.code for h in HOST.findall(text)]


def test_the_check_sees_what_loads() -> None:
    bad = [
        '<script src="https://cdn.example.org/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/css">',
        '<link rel="preconnect" href="https://fonts.example.org">',
        '<img src="http://count.example.org/1.png">',
        '<script>fetch("https://count.example.org/")</script>',
        "<style>@import url(https://fonts.example.org/css);</style>",
    ]
    assert all(loads_elsewhere(html) for html in bad)
    assert not loads_elsewhere('<a href="https://example.org/">a paper</a><img src="images/a.png">')


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 70
    result = {p.name: loads_elsewhere(p.read_text(encoding="utf-8")) for p in pages}
    assert not any(result.values()), {name: hosts for name, hosts in result.items() if hosts}


def test_no_script_or_style_loads_anything_from_another_host(site: Path) -> None:
    scripts, styles = (sorted(site.rglob(f"*.{kind}")) for kind in ("js", "css"))
    assert len(scripts) >= 2 and len(styles) >= 2
    loads = dict.fromkeys(scripts, r"https?://[\w.-]+\.\w+/?")  # whatever a script could ask
    loads |= dict.fromkeys(styles, r"(?:@import|url\()\W*(?:https?:)?//[\w.-]+")
    named = []
    for path, pattern in loads.items():
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        hosts = [h for h in re.findall(pattern, text) if not h.startswith(NAMESPACES)]
        named += [f"{path.name}: {h}" for h in hosts]
    assert not named, named


def test_every_document_is_a_page(site: Path, repository: Path) -> None:
    docs = repository / "docs"
    for document in docs.rglob("*.md"):
        page = document.relative_to(docs).with_suffix(".html")
        page = page.with_name("index.html") if page.name == "README.html" else page
        assert (site / page).is_file(), page
    for page in ("architecture.html", "changelog.html", "contributing.html"):
        assert (site / page).is_file(), page


def test_every_notebook_is_a_page_and_a_file(site: Path, repository: Path) -> None:
    notebooks = sorted((repository / "docs").rglob("*.ipynb"))
    assert notebooks
    for notebook in notebooks:
        page = site / notebook.relative_to(repository / "docs").with_suffix(".html")
        text = page.read_text(encoding="utf-8")
        assert page.with_suffix(".ipynb").read_bytes() == notebook.read_bytes()
        assert f'href="{notebook.name}" download' in text and 'class="highlight"' in text
        others = {n.name for n in notebooks} - {notebook.name}
        assert not any(f'href="{name}"' in text for name in others), "a link past the page"


def test_nothing_is_set_as_plain_text_that_is_a_list_or_a_table(site: Path) -> None:
    """Lists and tables want an empty line before them here, which other readers do without."""
    result = []
    for path in site.rglob("*.html"):
        for text in re.findall(r"<p>(.*?)</p>", path.read_text(encoding="utf-8"), re.DOTALL):
            if re.search(r"^(?:[-*] |1\. |\|.*\|$)", text, re.MULTILINE):
                result.append(f"{path.name}: {text[:80]}")
    assert not result, "\n".join(result)


def test_a_pipe_within_a_table_is_a_pipe(site: Path) -> None:
    text = (site / "metrics.html").read_text(encoding="utf-8")
    assert "by_body_part.&lt;PART|ALL&gt;" in text


def test_links_out_of_the_folder_lead_to_pages_or_name_files(
    repository: Path, tmp_path: Path
) -> None:
    text = "[a](../ARCHITECTURE.md#layers) [b](../scripts/setup.sh)\n\n```md\n[c](../x.md)\n```\n"
    done = build(repository, _site_of(repository, tmp_path, {"page.md": text}), tmp_path / "out")
    # The pages of the root link to documents that this small site lacks; page.md is without fault.
    assert "'page.md'" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a](nowhere.md)", "nowhere.md"),
        ("[a](page.md#nowhere)", "#nowhere"),
        ("[a](../nowhere/file.py)", "nowhere/file.py"),
    ],
)
def test_a_broken_link_fails(repository: Path, tmp_path: Path, text: str, message: str) -> None:
    done = build(repository, _site_of(repository, tmp_path, {"page.md": text}), tmp_path / "out")
    assert done.returncode != 0 and message in done.stderr


def test_a_page_in_no_menu_fails(repository: Path, tmp_path: Path) -> None:
    config = _site_of(repository, tmp_path, {"page.md": "a", "forgotten.md": "b"})
    done = build(repository, config, tmp_path / "out")
    assert done.returncode != 0 and "forgotten.md" in done.stderr


def _site_of(repository: Path, folder: Path, pages: dict[str, str]) -> Path:
    """A configuration like the site's own, for the given pages."""
    (folder / "docs").mkdir()
    for name, text in pages.items():
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    whole = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    config = whole.split("\nnav:\n")[0].replace("scripts/", f"{repository}/scripts/")
    config = re.sub(r"^watch:.*$", "", config, flags=re.MULTILINE)
    (folder / "mkdocs.yml").write_text(
        f"{config}\nnav:\n  - {next(iter(pages))}\n  - architecture.md\n  - changelog.md\n"
        "  - contributing.md\n",
        encoding="utf-8",
    )
    return folder / "mkdocs.yml"
