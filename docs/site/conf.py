"""Configuration of Sphinx for the site; `build.py` copies this file beside the pages it has prepared."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

# The package of this tree, for its docstrings: the environment need not have it installed.
project = "raydrive"
author = "the authors of raydrive"
release = metadata.version("raydrive")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design", "sphinx_copybutton"]
root_doc = "index"
source_suffix = {".md": "markdown"}
nitpicky = False
language = "en"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# Callbacks are described without their libraries, which are large.
autodoc_mock_imports = [
    "keras",
    "lightgbm",
    "lightning",
    "pytorch_lightning",
    "xgboost",
    "transformers",
    "accelerate",
    "catboost",
    "ray.train",
]

html_theme = "furo"
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_title = f"raydrive {release}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
# Prompts are no part of what a reader copies.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = False
# What is shown as text, such as output, is no language.
highlight_language = "none"
