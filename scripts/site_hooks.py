"""What `make site` does beside MkDocs (`hooks` of mkdocs.yml).

Menus of whole folders, pages from the root of the repository, notebooks as pages, links to files
that are no pages, lists without an empty line before them, and scripts of the theme that would load
something from another host. (The plugin mkdocs-jupyter is not used: its pages load a script from
another host.)
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# Pages of the site by their place in the repository.
AT_ROOT = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
# Notebooks that `make notebooks` has run; in the repository they have no outputs.
RUN = ROOT / "build" / "notebooks"
LINK = re.compile(r"(?<!!)\[((?:[^\]\[`]|`[^`]*`)+)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
# A line of a paragraph before a list: Python-Markdown wants an empty line there.
LIST = re.compile(r"^((?![-|#> \n]|\d+\. ).+\n)(?=(?:-|1\.) )", re.MULTILINE)
# Hosts that the scripts of the theme name: polyfills, diagrams, figures of a repository, a remark.
ELSEWHERE = re.compile(r"https://(?:unpkg\.com|api\.github\.com|bit\.ly)/")


def on_config(config: Any) -> Any:
    config["nav"] = _spread(config["nav"])
    return config


def _spread(entry: Any) -> Any:
    """The menu with each `folder/*.md` replaced by the folder's pages, its index first."""
    if isinstance(entry, list):
        return [_spread(e) for e in entry]
    if isinstance(entry, dict):
        return {title: _spread(e) for title, e in entry.items()}
    if not entry.endswith("/*.md"):
        return entry
    names = sorted((ROOT / "docs").glob(entry), key=lambda p: (p.name != "README.md", p.name))
    return [p.relative_to(ROOT / "docs").as_posix() for p in names]


def on_files(files: Files, config: Any) -> Files:
    for source, page in AT_ROOT.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for notebook in [f for f in files if f.src_uri.endswith(".ipynb")]:
        text = notebook_page(Path(str(notebook.abs_src_path)), RUN)
        page = f"{notebook.src_uri.removesuffix('.ipynb')}.md"
        files.append(File.generated(config, page, content=text))
    return files


def notebook_page(path: Path, run: Path) -> str:
    """The notebook `path` as Markdown; with outputs where its like in the folder `run` has them."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    if (run / path.name).is_file():
        done = json.loads((run / path.name).read_text(encoding="utf-8"))["cells"]
        same = [c["source"] for c in done] == [c["source"] for c in cells]
        cells = done if same else cells
    pieces = []
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            pieces.append(text)
            continue
        pieces.append(f"```python\n{text}\n```")
        pieces += _outputs(cell["outputs"])
    title, _, rest = "\n\n".join(pieces).partition("\n")
    # In HTML, since a link of Markdown to a notebook leads to its page.
    file = f'<a href="{path.name}" download>Download this page as a notebook</a>'
    shown = any(c.get("outputs") for c in cells)
    todo = "" if shown else " and run it to see what its cells print and draw"
    return f"{title}\n\n{file}{todo}.\n{rest}\n"


def _outputs(outputs: list[dict[str, Any]]) -> list[str]:
    """What a cell printed, as one block, and its pictures."""
    printed, pictures = "", []
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = "".join(data["image/png"]).replace("\n", "")
            pictures.append(f"![What the cell draws](data:image/png;base64,{picture})")
        else:
            text = "".join(output.get("text", data.get("text/plain", "")))
            printed += text if text.endswith("\n") else f"{text}\n"
    blocks = [f"```text\n{printed.rstrip()}\n```"] if printed.strip() else []
    return blocks + pictures


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """The page with links as the site needs them; what leads nowhere is left for MkDocs to find."""
    at_root = {name: source for source, name in AT_ROOT.items()}
    here = page.file.src_uri
    place = at_root.get(here, f"docs/{here}")  # of the Markdown file in the repository

    def led(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        result = ROOT / path
        if path in AT_ROOT:
            path = AT_ROOT[path]
        elif path.startswith("docs/"):
            path = re.sub(r"\.ipynb$", ".md", path.removeprefix("docs/"))
            if result.is_dir():
                path += "/README.md"
        elif result.exists() and not path.startswith(".."):
            return text if path in text else f"{text} (`{path}`)"
        else:
            return match[0]
        return f"[{text}]({posixpath.relpath(path, posixpath.dirname(here) or '.')}{anchor})"

    pieces = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    pieces[::2] = [LIST.sub(r"\1\n", LINK.sub(led, p)) for p in pieces[::2]]
    return "".join(pieces)


def on_page_content(html: str, **_: Any) -> str:
    """A `|` that a table's row escapes within code, without its backslash."""
    return re.sub(r"<td.*?</td>", lambda m: m[0].replace("\\|", "|"), html, flags=re.DOTALL)


def on_post_build(config: Any) -> None:
    site = Path(config["site_dir"])
    shutil.rmtree(site / "assets/javascripts/lunr")  # the search in other languages than English
    for script in site.rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        if ELSEWHERE.search(text):
            script.write_text(ELSEWHERE.sub("about:blank#", text), encoding="utf-8")
