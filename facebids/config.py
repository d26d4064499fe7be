# SPDX-License-Identifier: Apache-2.0
"""The options of a command as one frozen value.

:mod:`facebids.cli` creates it once; it is passed on unchanged and never becomes a global.
This module imports nothing of FaceBIDS and only the standard library.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

LinkMode = Literal['auto', 'hard', 'copy']
MetadataMode = Literal['report', 'scrub']
HeadPointsMode = Literal['drop', 'sensors', 'keep']

# The plugins that run the steps, and the arguments that each takes from a file.
PLUGINS = {
    'MultiProc': ('memory_gb', 'n_procs'),
    'Linear': (),
    'SLURM': ('max_jobs', 'max_tries', 'retry_timeout', 'sbatch_args', 'template'),
    'SLURMGraph': ('sbatch_args', 'template'),
}

# Options that only one level reads, and the settings that they set.
OF_LEVEL = {
    'participant': {
        '--session-label': 'session_label',
        '--include': 'include',
        '--bids-filter-file': 'bids_filters',
        '--bids-database-dir': 'bids_database_dir',
        '--mode': 'mode',
        '--fill': 'fill',
        '--keep-ears, --keep-eyes': 'keep',
        '--keep-mask': 'keep_mask',
        '--brain-margin': 'brain_margin',
        '--force': 'force',
        '--deface-only': 'deface_only',
        '--template': 'template',
        '--clean-workdir': 'clean_workdir',
        '--stop-on-first-crash': 'stop_on_first_crash',
        '--write-graph': 'write_graph',
        '--plugin': 'plugin',
        '--plugin-args': 'plugin_args',
        '--resource-monitor': 'resource_monitor',
    },
    'group': {
        '--photos': 'photos_dir',
        '--release-dir': 'release_dir',
        '--exclude-failed': 'exclude_failed',
        '--accept': 'accept_file',
        '--sign-key': 'sign_key',
        '--link': 'link',
        '--metadata': 'metadata',
        '--head-points': 'head_points',
    },
}

PHANTOM_MODALITIES = ('T1w', 'FLAIR', 'T2w', 'PDw')  # BIDS has no suffix for CT in `anat`


@dataclass(frozen=True)
class ReleaseSettings:
    """The options of a release.

    Attributes
    ----------
    release_dir
        Absolute path of the folder to write the released dataset to.
    exclude_failed
        Relative paths of the files to leave out. Empty: all images that may not be released.
        None: no file.
    accept_file
        Table of decisions on images whose verdict is *review*, or None.
    link
        How unchanged files are added to the release: ``'hard'`` links, ``'copy'``, or ``'auto'``,
        which links where possible.
    metadata
        ``'report'`` refuses a release whose metadata identify people; ``'scrub'`` removes them.
    head_points
        Digitised points of MEG, EEG and NIRS: ``'drop'`` leaves them out, ``'sensors'`` all but
        the positions of sensors, ``'keep'`` none.
    sign_key
        Private key that signs the certificate, or None.
    """

    release_dir: Path
    exclude_failed: tuple[str, ...] | None = None
    accept_file: Path | None = None
    link: LinkMode = 'auto'
    metadata: MetadataMode = 'report'
    head_points: HeadPointsMode = 'drop'
    sign_key: Path | None = None


@dataclass(frozen=True)
class Settings:
    """The options of a run.

    Attributes
    ----------
    bids_dir, output_dir, work_dir, private_dir
        Absolute paths of folders. Only ``output_dir`` is meant to be shared: ``private_dir``
        holds identifying data, ``work_dir`` all intermediate files.
    analysis_level
        ``'participant'`` or ``'group'``.
    participant_label, session_label
        Labels without ``sub-`` or ``ses-``. Empty: all.
    bids_filters
        The pybids entities that images must have, by suffix in lower case (``'t1w'``).
    include
        Data types (``'func'``) to deface in addition to `anat` and `ct`.
    photos_dir
        Folder of photographs of the participants, which is only read, or None.
    bids_database_dir
        Folder that keeps the index of the dataset between runs, or None.
    skip_bids_validation
        Whether to accept a dataset that is not fully valid BIDS.
    nprocs, omp_nthreads
        Number of parallel processes, and of threads of each step.
    plugin, plugin_args
        The plugin of Nipype that runs the steps, out of `PLUGINS`, and its arguments.
    resource_monitor
        Whether to measure what each step uses.
    seed
        Random seed.
    mode, fill
        How the face is replaced (``'remove'``, ``'blur'``, ``'reface'``), and what ``'remove'``
        fills in (``'air'``, ``'zero'``).
    brain_margin
        Smallest distance between replaced voxels and the brain (mm).
    keep
        Parts of the face to keep: ``'ears'``, ``'eyes'``.
    keep_mask
        Mask of what to keep in a single image, or folder of masks for each image, or None.
    force
        Whether to deface images that are already defaced.
    deface_only
        Whether to leave out the attack, so that nothing is proven.
    template
        TemplateFlow template that images are registered to first, as
        ``'NAME[:cohort-X][:res-Y]'``, or None.
    release
        Options of the release, or None: nothing is released.
    clean_workdir
        Whether to delete the intermediate files of earlier runs first.
    dry_run
        Whether to only describe what would be done.
    stop_on_first_crash
        Whether an error stops the run.
    write_graph
        Whether to write the graph of the workflow.
    verbose
        Level of detail of the output.
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
    plugin: str = 'MultiProc'
    plugin_args: dict[str, Any] = field(default_factory=dict)
    resource_monitor: bool = False
    seed: int = 0
    mode: str = 'remove'
    fill: str = 'air'
    brain_margin: float = 3.0
    keep: tuple[str, ...] = ()
    keep_mask: Path | None = None
    force: bool = False
    deface_only: bool = False
    template: str | None = None
    release: ReleaseSettings | None = None
    clean_workdir: bool = False
    dry_run: bool = False
    stop_on_first_crash: bool = False
    write_graph: bool = False
    verbose: int = 0

    def to_json(self) -> str:
        """Return the settings as JSON text, which :meth:`from_json` reads."""
        return json.dumps(asdict(self), indent=2, default=str)

    @classmethod
    def from_json(cls, text: str) -> 'Settings':
        """Return the settings that :meth:`to_json` wrote.

        Raises
        ------
        TypeError
            If a setting is unknown or a required one is missing.
        """
        values = _restored(json.loads(text))
        if values.get('release'):
            values['release'] = ReleaseSettings(**_restored(values['release']))
        return cls(**values)


@dataclass(frozen=True)
class PhantomSettings:
    """The options of a dataset of phantoms.

    Attributes
    ----------
    output_dir
        Folder to write the dataset to: a new or an empty one.
    participants, sessions
        Number of participants, and of sessions of each participant.
    modalities
        Scans of each session, out of `PHANTOM_MODALITIES`.
    photographs
        Number of photographs of each participant.
    seed
        Random seed.
    resolution
        Voxel size (mm).
    """

    output_dir: Path
    participants: int = 2
    sessions: int = 1
    modalities: tuple[str, ...] = ('T1w',)
    photographs: int = 0
    seed: int = 0
    resolution: float = 2.0


def _restored(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the types that JSON does not have: paths and tuples."""
    return {name: _restored_value(name, value) for name, value in values.items()}


def _restored_value(name: str, value: Any) -> Any:
    if name.endswith(('_dir', '_file', '_mask')) and value is not None:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
