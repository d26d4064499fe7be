# SPDX-License-Identifier: Apache-2.0
"""Collect the content of every file of a release. Nothing is written here."""

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path, PurePosixPath

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.core.modes import MODES
from facebids.core.record import Record
from facebids.errors import DatasetError, UnreadableImageError
from facebids.filesystem import sha256
from facebids.release import describe, head_points, headers, metadata
from facebids.release.gate import EXCLUDE, NIFTI, REPLACE, TRIM, Decision
from facebids.release.metadata import Finding
from facebids.release.tree import Source

READMES = ('README', 'README.md', 'README.rst', 'README.txt')
DESCRIPTION = 'dataset_description.json'
BESIDE = ('.json', '.bval', '.bvec')  # excluded together with their image
TEXTS = ('.json', '.tsv')
# schema/rules/files/raw/anat.yaml of BIDS 1.11
MASK_ENTITIES = {'sub', 'ses', 'task', 'acq', 'ce', 'rec', 'run', 'mod', 'chunk'}
HEAD = 348  # bytes: the header of NIfTI-1
TABLES = re.compile(r'.*_scans\.tsv')


class Transfer(Enum):
    """How a file of the release is made from a file on disk."""

    UNCHANGED = auto()
    DECOMPRESS = auto()
    SCRUB = auto()  # without identifying metadata in the NIfTI header
    TRIM = auto()  # without digitised head points


@dataclass(frozen=True)
class Content:
    """The content of a file: that of the file ``source``, or ``text`` if there is no source."""

    source: Path | None = None
    text: str = ''
    transfer: Transfer = Transfer.UNCHANGED


@dataclass
class Contents:
    """The content of a release.

    Attributes
    ----------
    files
        Content of each file, by POSIX path relative to the dataset.
    findings
        Identifying metadata, which ``files`` do not contain.
    free_text
        Text of ``files`` that a person has to read, as no rule covers it.
    problems
        Reasons to refuse the release, each a sentence.
    examined
        SHA-256 of the defaced images and masks that the verdicts are based on, by path.
    """

    files: dict[str, Content] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    free_text: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    examined: dict[str, str] = field(default_factory=dict)


def assemble(
    sources: Sequence[Source], decisions: Iterable[Decision], output_dir: Path, date: str
) -> Contents:
    """Return the content of a release.

    Parameters
    ----------
    sources
        Files of the raw dataset.
    decisions
        Decisions on the files that may show a face.
    output_dir
        Folder of the derivative dataset, with the defaced images.
    date
        Date of the release, ``'2026-01-31'``.

    Raises
    ------
    DatasetError
        If a metadata file cannot be read.
    """
    by_path = {decision.path: decision for decision in decisions}
    known = {source.relative: source for source in sources}
    dropped = _dropped(known, by_path.values())
    dropped |= _orphans(known, dropped)
    contents = Contents()
    for source in sources:
        decision = by_path.get(source.relative)
        if source.relative in dropped:
            continue
        if decision and decision.action == REPLACE:
            _replace(contents, source, decision.record, output_dir)
        elif NIFTI.search(source.relative):
            _add_image(contents, source)
        else:
            _add_file(contents, source, known.get(names.sidecar(source.relative)), dropped)
        if decision and decision.action == TRIM:
            _trim(contents, source)
    replaced = [
        item.record
        for item in by_path.values()
        if item.action == REPLACE and item.path in contents.files and item.record is not None
    ]
    for record in replaced:
        _describe_image(contents, record, known)
    methods = sorted(
        {MODES[item.mode].method for item in replaced if item.mode and was_defaced(item)}
    )
    _describe_dataset(contents, '; '.join(methods) or 'no image had to be defaced', date)
    _drop_people(contents.files, _people(known))
    return contents


def was_defaced(record: Record) -> bool:
    """Return whether voxels were replaced, which they are not in an already defaced image."""
    return record.mode is not None and not (record.mask and record.mask.no_face)


def _dropped(paths: Collection[str], decisions: Iterable[Decision]) -> set[str]:
    """Return the excluded files, and the sidecars that describe them alone."""
    excluded = {item.path for item in decisions if item.action == EXCLUDE}
    left = {_stem(path) for path in paths if path not in excluded and not path.endswith(BESIDE)}
    stems = {_stem(path) for path in excluded} - left
    return excluded | {stem + ending for stem in stems for ending in BESIDE} & set(paths)


def _stem(path: str) -> str:
    """Return a path without any of its extensions."""
    folder, slash, name = path.rpartition('/')
    return folder + slash + name.partition('.')[0]


def _suffix(path: str) -> str:
    return _stem(path).rpartition('_')[2]


def _orphans(paths: Collection[str], dropped: Collection[str]) -> set[str]:
    """Return the inherited sidecars that describe excluded files only.

    The validator reports sidecars without a file as errors.
    """
    suffixes = {_suffix(path) for path in dropped}
    files = [path for path in paths if _suffix(path) in suffixes]
    inherited = [path for path in files if path.endswith('.json') and path not in dropped]
    gone = [path for path in dropped if not path.endswith(BESIDE)]
    left = [path for path in files if path not in dropped and not path.endswith(BESIDE)]
    return {
        path
        for path in inherited
        if any(_describes(path, file) for file in gone)
        and not any(_describes(path, file) for file in left)
    }


def _describes(sidecar: str, file: str) -> bool:
    """Return whether a sidecar applies to a file (BIDS inheritance principle)."""
    folder, slash, name = sidecar.rpartition('/')
    if not file.startswith(folder + slash):
        return False
    *entities, suffix = name.removesuffix('.json').split('_')
    *others, other_suffix = _stem(file).rpartition('/')[2].split('_')
    return suffix == other_suffix and set(entities) <= set(others)


# --- images -------------------------------------------------------------------------------------


def _replace(contents: Contents, source: Source, record: Record | None, output_dir: Path) -> None:
    image = HeadImage.from_relative_path(source.relative)
    defaced = output_dir / names.defaced(image)
    mask = output_dir / names.mask(image)
    if record is None or record.provenance is None:
        raise ValueError(f'{source.relative}: a released image needs a record with hashes')
    proof = record.provenance
    for path, known, what in (
        (source.path, proof.source_sha256, 'the image'),
        (defaced, proof.defaced_sha256, 'the defaced image'),
        (mask, proof.mask_sha256, 'the mask'),
    ):
        if not path.is_file() or sha256(path) != known:
            contents.problems.append(
                f'{source.relative}: {what} was changed or removed after the attack. Run the '
                'participant level for this image again.'
            )
            return
    if source.relative.endswith('.gz'):
        contents.files[source.relative] = Content(defaced)
        contents.examined[source.relative] = proof.defaced_sha256
    else:
        contents.files[source.relative] = Content(defaced, transfer=Transfer.DECOMPRESS)
    if was_defaced(record):
        contents.files[names.raw_mask(image)] = Content(mask)
        contents.examined[names.raw_mask(image)] = proof.mask_sha256


def _add_image(contents: Contents, source: Source) -> None:
    if source.relative in contents.files:  # the mask of a defaced image
        contents.problems.append(
            f'{source.relative}: the mask of this defacing has the same name. Exclude the file '
            f'(--exclude-failed {source.relative}).'
        )
    try:
        found = headers.find(source.path, source.relative)
    except UnreadableImageError as error:
        contents.problems.append(f'{error} Or exclude it (--exclude-failed {source.relative}).')
        return
    contents.findings += found
    transfer = Transfer.SCRUB if found else Transfer.UNCHANGED
    contents.files[source.relative] = Content(source.path, transfer=transfer)


def _describe_image(contents: Contents, record: Record, known: Collection[str]) -> None:
    """Add sidecars of an image and its mask that describe the defacing."""
    image = HeadImage.from_relative_path(record.image)
    if record.mode is None or not was_defaced(record):
        return
    mask = names.raw_mask(image)
    if names.sidecar(mask) not in known:
        kept = record.provenance.keep_masks if record.provenance else {}
        text = describe.mask_sidecar(record.mode, kept)
        contents.files[names.sidecar(mask)] = Content(text=text)
    sidecar = _sidecar(image, contents.files)
    with _json(sidecar):
        text = describe.image_sidecar(_text(contents.files.get(sidecar)), record.mode)
    contents.files[sidecar] = Content(text=text)


def _sidecar(image: HeadImage, files: Collection[str]) -> str:
    """Return the name of the sidecar in the folder of an image that describes it.

    The inheritance principle of BIDS allows a single one in each folder.
    """
    own = names.sidecar(image.relative_path)
    folder = PurePosixPath(own).parent
    if own in files:
        return own
    beside = [path for path in files if path.startswith(f'{folder}/') and path.endswith('.json')]
    return next((path for path in sorted(beside) if _describes(path, image.relative_path)), own)


# --- everything else ----------------------------------------------------------------------------


def _add_file(
    contents: Contents, source: Source, sidecar: Source | None, dropped: Collection[str]
) -> None:
    path = source.relative
    if not path.endswith(TEXTS):
        if holds_image(source.path):
            contents.problems.append(
                f'{path}: the file contains an image despite its name, or is damaged. Rename it, '
                f'or exclude it (--exclude-failed {path}).'
            )
        contents.files[path] = Content(source.path)
        return
    before = source.path.read_bytes()
    describing = sidecar.path.read_bytes() if sidecar else None  # units of ages
    try:
        after, found = metadata.scrub(before, path, describing)
    except DatasetError as error:  # reported together with all other problems
        contents.problems.append(str(error))
        return
    contents.findings += found
    contents.free_text += metadata.free_text(after, path)
    text = after.decode('utf-8-sig')
    if path.endswith('.json'):
        with _json(path):
            edited = describe.drop_intended(text, dropped)
    elif TABLES.fullmatch(path):
        folder, slash, _ = path.rpartition('/')
        mine = {
            item.removeprefix(folder + slash)
            for item in dropped
            if item.startswith(folder + slash)
        }
        edited = describe.drop_rows(text, 'filename', mine)
    else:
        edited = text
    unchanged = after == before and edited == text
    contents.files[path] = Content(source.path) if unchanged else Content(text=edited)


def _trim(contents: Contents, source: Source) -> None:
    """Take digitised head points out of a file that was added."""
    path = source.relative
    if path not in contents.files:  # it was damaged
        return
    if not path.endswith(TEXTS):
        contents.files[path] = Content(source.path, transfer=Transfer.TRIM)
        return
    with _json(path):
        text = head_points.without_points(_text(contents.files[path]) or '')
    contents.files[path] = Content(text=text)


def holds_image(path: Path) -> bool:
    """Return whether a file starts like NIfTI or DICOM (PS3.10, section 7.1), or is damaged."""
    try:
        with path.open('rb') as raw:
            start = raw.read(HEAD)
        if start.startswith(b'\x1f\x8b'):
            with gzip.open(path) as file:
                start = file.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return True
    nifti = start[344:347] in (b'n+1', b'ni1') or start[4:7] in (b'n+2', b'ni2')
    return nifti or start[128:132] == b'DICM'


def _describe_dataset(contents: Contents, modes: str, date: str) -> None:
    files = contents.files
    with _json(DESCRIPTION):
        text = describe.dataset_description(_text(files.get(DESCRIPTION)), modes)
    files[DESCRIPTION] = Content(text=text)
    name = next((name for name in READMES if name in files), READMES[1])
    files[name] = Content(text=describe.readme(_text(files.get(name)) or '', modes))
    text = describe.changes(_text(files.get('CHANGES')) or '', date, modes)
    files['CHANGES'] = Content(text=text)
    if ignored := sorted({pattern for path in files for pattern in _not_in_bids(path)}):
        text = describe.bidsignore(_text(files.get('.bidsignore')) or '', ignored)
        files['.bidsignore'] = Content(text=text)


def _people(paths: Iterable[str]) -> set[str]:
    return {path.partition('/')[0] for path in paths if path.startswith('sub-')}


def _drop_people(files: dict[str, Content], people: Collection[str]) -> None:
    """Delete participants without any remaining file from ``participants.tsv``."""
    text = _text(files.get('participants.tsv'))
    if text:
        edited = describe.drop_rows(text, 'participant_id', set(people) - _people(files))
        if edited != text:
            files['participants.tsv'] = Content(text=edited)


def _not_in_bids(path: str) -> list[str]:
    """Return patterns of ``.bidsignore`` for a file that is not part of BIDS.

    BIDS has masks in `anat` only, and none of single echoes, inversions or parts. Full names are
    used, as bids-validator 3.0.2 with ignore 7.0.8 fails to match several stars.
    """
    folder = PurePosixPath(path).parent.name
    if folder == 'ct':
        return ['ct']
    if '_defacemask.' not in path:
        return []
    entities = {part.partition('-')[0] for part in PurePosixPath(path).name.split('_')[:-1]}
    return [] if folder == 'anat' and entities <= MASK_ENTITIES else [path]


def _text(content: Content | None) -> str | None:
    if content is None:
        return None
    if content.source is None:
        return content.text
    try:
        return content.source.read_bytes().decode('utf-8-sig')  # keeps line ends
    except UnicodeDecodeError as error:
        raise DatasetError(
            f'{content.source}: the file is not UTF-8 text, which BIDS requires ({error}). '
            'Convert it.'
        ) from error


@contextmanager
def _json(path: str) -> Iterator[None]:
    """Add the name of the file to errors about its JSON."""
    try:
        yield
    except ValueError as error:
        raise DatasetError(f'{path} is not a JSON object ({error}). Correct it.') from error
