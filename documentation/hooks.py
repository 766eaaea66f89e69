"""What mkdocs asks for while it builds: pages that are made, blocks that are run, formulas that are drawn."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

from documentation import cited_tests, notebooks, reference
from documentation.blocks import Output, blocks_of
from documentation.formulas import drawn, drawn_inline
from documentation.linking import Linker
from documentation.running import ROOT, run_texts

# Files of the repository's root that are pages of the site too.
FROM_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
REUSE = "STEEPEST_DOCUMENTATION_REUSE"

_SHIM = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"></script>')

_outputs: dict[str, list[list[Output]]] = {}
_linker = Linker({})


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made, runs every block of every page, and adds the pictures that they show."""
    global _linker  # noqa: PLW0603 - mkdocs calls functions of a module
    reuse = bool(os.environ.get(REUSE))
    made = {
        place: re.sub(r"\]\((?:docs/)?([^):#]+\.md)", _within_docs, (ROOT / name).read_text())
        for name, place in FROM_ROOT.items()
    }
    made |= reference.pages()
    executed = notebooks.executed(reuse=reuse)
    made |= notebooks.pages(executed)
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()}
    texts |= made
    made |= cited_tests.pages(texts)
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    for place, notebook in notebooks.files(executed).items():
        files.append(File.generated(config, place, content=notebook))
    run = {place: text for place, text in texts.items() if not place.startswith(("reference/", "notebooks/"))}
    _outputs.clear()
    _outputs.update(run_texts(run | {"README.md": (ROOT / "README.md").read_text()}, reuse=reuse))
    _outputs.update(notebooks.outputs(executed))
    for place, shown in _outputs.items():
        for path, picture in _pictures(place, shown).items():
            files.append(File.generated(config, path, content=picture))
    _linker = Linker({place: files.src_uris[place].url for place in made})
    return files


def _within_docs(link: re.Match[str]) -> str:
    return f"]({FROM_ROOT.get(link[1], link[1])}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Puts a mark where the output of each block belongs, and leaves the fence as every highlighter knows it."""
    shown = _outputs.get(page.file.src_uri, [])
    blocks = blocks_of(markdown)
    lines = markdown.splitlines()
    written, done = [], 0
    for number, block in enumerate(blocks):
        opening = block.line - 2  # the line of the fence, counted from 0
        closing = block.line - 1 + block.code.count("\n")
        written += lines[done:opening]
        fence = re.match(r"( {0,3}(?:`{3,}|~{3,}))\s*(\S+)", lines[opening])
        assert fence is not None
        code = [f"{fence[1]}{fence[2]}", *lines[opening + 1 : closing + 1]]
        mark = [f'<div data-block="{number}"></div>'] if number < len(shown) and shown[number] else []
        if mark and page.meta.get("pictures_first"):
            written += ["", *mark, "", '??? example "Code"', "", *(f"    {line}" for line in code), ""]
        else:
            written += [*code, "", *mark, ""] if mark else code
        done = closing + 1
    return "\n".join([*written, *lines[done:]]) + "\n"


def on_page_content(
    page_html: str | None = None, page: Any = None, config: Any = None, files: Any = None, **given: Any
) -> str:
    """Draws formulas, puts outputs where their marks are, and links names of code to the reference."""
    text = given.get("html", page_html) or ""
    place = page.file.src_uri
    text = drawn(text)
    if not place.startswith("reference/"):
        text = _linker.linked(text, page.url)
    blocks = blocks_of(page.file.content_string)

    def output(mark: re.Match[str]) -> str:
        number = int(mark[1])
        return _shown(_outputs[place][number], blocks[number].caption, place, number, page.url)

    return re.sub(r'<div data-block="(\d+)"></div>', output, text)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Takes out what Material would load from another host, for the search of a site that is opened from a folder."""
    return _SHIM.sub("", output)


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The same for pages that are no Markdown, such as that of a page which is not there."""
    return _SHIM.sub("", output_content)


def _pictures(place: str, shown: list[list[Output]]) -> dict[str, bytes]:
    """Path within the site → content of every picture of a page."""
    return {
        _picture_path(place, number, position, output.kind): output.content
        for number, outputs in enumerate(shown)
        for position, output in enumerate(outputs)
        if isinstance(output.content, bytes)
    }


def _picture_path(place: str, number: int, position: int, kind: str) -> str:
    stem = Path(place).with_suffix("").as_posix().replace("/", "-")
    return f"pictures/{stem}-{number + 1}{'abcdefgh'[position]}.{kind}"


def _shown(outputs: list[Output], caption: str, place: str, number: int, url: str) -> str:
    """What a block shows, as HTML: words, then pictures side by side where there is room."""
    words, pictures = [], []
    for position, output in enumerate(outputs):
        if isinstance(output.content, bytes):
            path = get_relative_url(_picture_path(place, number, position, output.kind), url)
            image = f'<img src="{path}" alt="{html.escape(caption or "Figure")}" loading="lazy">'
            pictures.append(f'<a href="{path}">{image}</a>')
        elif output.kind == "html":
            words.append(f'<div class="shown-html">{drawn_inline(str(output.content))}</div>')
        else:
            words.append(f"<pre><code>{html.escape(str(output.content))}</code></pre>")
    under = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    figure = f'<figure class="shown-pictures">{"".join(pictures)}{under}</figure>' if pictures else ""
    return f'<div class="shown">{"".join(words)}{figure}</div>'
