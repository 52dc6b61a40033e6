"""How Sphinx makes the site: ``make docs`` writes it into ``build/site``."""

from __future__ import annotations

from typing import Final

import persistq

project: Final = "persistq"
author: Final = "The persistq authors"
version: Final = persistq.__version__

extensions: Final = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# It is a part of index.rst.
exclude_patterns: Final = ["README.md"]
html_theme: Final = "furo"
html_title: Final = "persistq"
html_show_sphinx: Final = False
html_show_copyright: Final = False
html_copy_source: Final = False
html_static_path: Final = ["static"]
html_css_files: Final = ["site.css"]
# An option that begins with two hyphens keeps them.
smartquotes: Final = False
# The blocks of console show what commands write, which is in no language.
highlight_language: Final = "none"

# A link within a page is what a forge makes of a heading.
myst_heading_anchors: Final = 4

# A name between single backticks is code, in docstrings as in the pages.
default_role: Final = "code"
napoleon_google_docstring: Final = True
napoleon_numpy_docstring: Final = False
autodoc_class_signature: Final = "mixed"
autodoc_member_order: Final = "bysource"
autodoc_preserve_defaults: Final = True
autodoc_typehints: Final = "none"
