# SPDX-License-Identifier: Apache-2.0
"""Hook of MkDocs: pages of the site that are files beside the folder of the documentation."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {'changes.md': 'CHANGES.md', 'contributing.md': 'CONTRIBUTING.md'}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, with links to the documentation as they are inside it: they are checked."""
    for page, source in PAGES.items():
        text = Path(config.config_file_path).with_name(source).read_text(encoding='utf-8')
        files.append(File.generated(config, page, content=text.replace('](docs/', '](')))
    return files
