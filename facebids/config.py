# SPDX-License-Identifier: Apache-2.0
"""What the user asked for, as one frozen value.

Made once by :mod:`facebids.cli.parser`, passed on as it is, never a global. It imports nothing of
FaceBIDS and nothing heavy.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The options of one run.

    Attributes
    ----------
    bids_dir, output_dir, work_dir, private_dir
        Absolute folders. Only ``output_dir`` is made to be shared; ``private_dir`` holds what
        identifies people and ``work_dir`` every intermediate file.
    analysis_level
        ``'participant'`` or ``'group'``.
    participant_label, session_label
        Labels without ``sub-`` or ``ses-``; empty means all.
    bids_filters
        For suffixes in lower case (``'t1w'``) the pybids entities an image has to have.
    include
        Data types (``'func'``) whose images are defaced beside those of `anat` and `ct`.
    photos_dir
        Photographs of the participants, only read; None: there are none.
    bids_database_dir
        Where the index of the dataset is kept between runs, or None.
    nprocs, omp_nthreads
        Processes at the same time, and threads of each single step.
    seed
        Start of every random number.
    mode, fill
        What the face becomes (``'remove'``, ``'blur'``, ``'reface'``), and what is left where it
        is removed (``'air'``, ``'zero'``).
    brain_margin
        Least distance (mm) between what is replaced and the brain.
    keep
        What is left of the face: of ``'ears'`` and ``'eyes'``.
    force
        Deface images that arrive defaced, too.
    template
        Template of TemplateFlow by way of which images are registered,
        ``'NAME[:cohort-X][:res-Y]'``, or None.
    release_dir
        Where the dataset to upload is written, or None: nothing is released.
    exclude_failed
        Files that are left out of it; empty: all that may not be released; None: none.
    accept_file
        Table of decisions on images whose verdict is *review*, or None.
    link, metadata
        How files that do not change get there (``'auto'``, ``'hard'``, ``'copy'``), and what
        becomes of metadata that identify people (``'report'``, ``'scrub'``).
    """

    bids_dir: Path
    output_dir: Path
    analysis_level: str
    work_dir: Path
    private_dir: Path
    participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    bids_filters: dict[str, dict[str, Any]] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    photos_dir: Path | None = None
    bids_database_dir: Path | None = None
    skip_bids_validation: bool = False
    nprocs: int = 1
    omp_nthreads: int = 1
    seed: int = 0
    mode: str = 'remove'
    fill: str = 'air'
    brain_margin: float = 3.0
    keep: tuple[str, ...] = ()
    force: bool = False
    template: str | None = None
    release_dir: Path | None = None
    exclude_failed: tuple[str, ...] | None = None
    accept_file: Path | None = None
    link: str = 'auto'
    metadata: str = 'report'
    clean_workdir: bool = False
    dry_run: bool = False
    stop_on_first_crash: bool = False
    write_graph: bool = False
    verbose: int = 0

    def to_json(self) -> str:
        """Return the settings as JSON text; :meth:`from_json` turns it back."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps(values, indent=2, default=str)

    @classmethod
    def from_json(cls, text: str) -> 'Settings':
        """Return the settings that :meth:`to_json` wrote.

        Raises
        ------
        TypeError
            If a setting is unknown or a required one is missing.
        """
        return cls(**{name: _restored(name, value) for name, value in json.loads(text).items()})


def _restored(name: str, value: Any) -> Any:
    if name.endswith(('_dir', '_file')) and value is not None:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
