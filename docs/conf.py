from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

with (DOCS.parent / "pyproject.toml").open("rb") as file:
    _project = tomllib.load(file)["project"]

project = _project["name"]
author = "The lanrage-events contributors"
copyright = f"2026, {author}"
version = release = _project["version"]

extensions = ["myst_parser", "pages"]
exclude_patterns = ["_build", "examples"]
source_suffix = {".md": "markdown"}

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_title = f"{project} {version}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#5a46b2", "color-brand-content": "#5a46b2"},
    "dark_css_variables": {"color-brand-primary": "#a897f5", "color-brand-content": "#a897f5"},
}
html_show_copyright = False

myst_heading_anchors = 4
