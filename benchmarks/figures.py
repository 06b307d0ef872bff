# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes docs/figures.md, the page with all figures, from the tables that benchmarks have kept in docs/figures.

python benchmarks/figures.py [--check]

A benchmark keeps its tables with --figures: a file for each script, in which a table takes the place of the one of the
same title. Only the standard library is needed. --check writes nothing, and ends with 1 if the page would change.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "docs" / "figures"
PAGE = ROOT / "docs" / "figures.md"
EARLIER = "earlier"  # what the README said before there was this page
HEADING = re.compile(r"(?m)^## ")

INTRODUCTION = """\
# Figures

Everything that was measured, by the scripts in `benchmarks/`. This page is made by `python benchmarks/figures.py` from
the tables in `docs/figures`, which a benchmark writes there with `--figures`; each table says of what commit, device
and date it is. The captures' source, identities and expressions of ICT-FaceKit, is not part of this repository
(`--shared FOLDER`); scripts that need none take the demo actor. Distances are means over all points of all frames,
where nothing else is said. Seconds
tell little where other work ran beside a benchmark.

[How it compares](comparison.md) with the paper and with other methods, and what was not measured.

[Side by side](side_by_side.md): one weight per shape, per patch, a generic face model, the paper's networks and the
closed form.

![Target frames, and each method's result coloured by its error](pictures/side_by_side.png)

[The ablations](ablations.md) (600 iterations, actor 3): the sine and the width matter most, then a template in which
lips and lids lie apart (the worst point is off by 3.1 mm; with the neutral as template by 11.8 mm). Leaving out a loss
changes little here, unlike in the paper, and the page says why.

![What activations, losses, widths and template spaces change](pictures/ablations.png)
"""


def keep_table(path: Path, table: str) -> None:
    """Put a table, which begins with its title as a heading, into a script's file, in place of one of that title."""
    old = split_tables(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((old | split_tables(table)).values()), encoding="utf-8")


def split_tables(text: str) -> dict[str, str]:
    """{title: table with its heading} of a file's text, in their order."""
    parts = [part.strip("\n") for part in HEADING.split(text)[1:]]
    return {part.splitlines()[0]: f"## {part}\n" for part in parts}


def subject_of(script: Path) -> str:
    """The first paragraph of a script's docstring, in one line."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def assemble(tables: Path, scripts: Path) -> str:
    """The page: the introduction, the tables of each script under its name, and what was said before.

    Raises FileNotFoundError if a file's script is not there.
    """
    parts = [INTRODUCTION]
    for path in sorted(tables.glob("*.md")):
        if path.stem == EARLIER:
            continue
        parts.append(f"## {path.stem}.py\n\n{subject_of(scripts / f'{path.stem}.py')}\n")
        parts += [f"#{table}" for table in split_tables(path.read_text(encoding="utf-8")).values()]
    earlier = tables / f"{EARLIER}.md"
    if earlier.exists():
        parts.append(earlier.read_text(encoding="utf-8"))
    return "\n".join(parts)


def main() -> int:
    """Write the page, or compare; returns the exit status."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--check", action="store_true", help="only say whether the page would change")
    page = assemble(TABLES, ROOT / "benchmarks")
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page
    if found.parse_args().check:
        print(f"{PAGE.relative_to(ROOT)} is {'as the tables are' if same else 'older than the tables'}")
        return 0 if same else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
