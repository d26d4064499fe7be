# SPDX-License-Identifier: Apache-2.0
"""Scan any dataset for what a curator asks for: findings, and whether all of it was scanned.

It needs no record of FaceBIDS, so that it serves datasets that were defaced elsewhere, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facebids.bids import names
from facebids.errors import DatasetError, ImageError
from facebids.release import attack, head_points, headers, metadata, tree
from facebids.release.attack import Target
from facebids.release.certificate import differences
from facebids.release.certificate_types import Certificate
from facebids.release.contents import TEXTS, holds_image
from facebids.release.gate import MASKS, NIFTI, may_show_face, suffix_of
from facebids.release.rules import Finding
from facebids.release.tree import Source
from facebids.release.unexamined import why_no_look

NO_FINDINGS, REVIEW, INCOMPLETE = 'no findings', 'curator review required', 'incomplete scan'
MEANINGS = {
    NO_FINDINGS: 'Everything was scanned, and nothing was found. This is no proof: a stronger '
    'attack may find more.',
    REVIEW: 'A person has to look at the findings before the dataset is shared.',
    INCOMPLETE: 'Nothing was found, but not everything could be scanned.',
}
CANNOT_SEARCH = 'it may show a face, and cannot be searched for one'


@dataclass(frozen=True)
class Issue:
    """A file or folder relative to the dataset, and what is the matter with it."""

    path: str
    reason: str


@dataclass
class Scan:
    """What a scan found.

    Attributes
    ----------
    images, masks, files
        Numbers of images and of masks that were searched for a face, and of all files that were
        read.
    findings
        What a person has to look at. Values that identify people are not repeated.
    not_scanned
        What could not be scanned.
    """

    images: int = 0
    masks: int = 0
    files: int = 0
    findings: list[Issue] = field(default_factory=list)
    not_scanned: list[Issue] = field(default_factory=list)

    @property
    def state(self) -> str:
        """`REVIEW`, `INCOMPLETE` or `NO_FINDINGS`: findings count more than gaps."""
        if self.findings:
            return REVIEW
        return INCOMPLETE if self.not_scanned or not self.files else NO_FINDINGS

    def to_json(self) -> dict[str, Any]:
        """Return the scan as values of JSON."""
        listed = {
            name: [{'File': item.path, 'Reason': item.reason} for item in issues]
            for name, issues in (('Findings', self.findings), ('NotScanned', self.not_scanned))
        }
        counts = {
            'ImagesSearched': self.images,
            'MasksSearched': self.masks,
            'FilesRead': self.files,
        }
        return {'State': self.state, 'Meaning': MEANINGS[self.state], **counts, **listed}


def scan(
    root: Path, certificate: Certificate | None, tell: Callable[[str], None] = lambda _: None
) -> Scan:
    """Scan a dataset.

    Parameters
    ----------
    root
        Its folder.
    certificate
        Its certificate, from which the files must not differ, or None. The masks that it lists
        draw the region that was defaced, and are not searched.
    tell
        Receives the path of each image before it is searched, which takes minutes.
    """
    found = Scan()
    try:
        sources = tree.walk(root)
    except DatasetError as error:
        found.not_scanned.append(Issue('.', str(error)))
        return found
    found.not_scanned += _left_out(root)
    if certificate:
        found.findings += [Issue('.', text) for text in differences(certificate, root)]
    points = head_points.find(sources)
    known = {source.relative: source for source in sources}
    certified = certificate.images if certificate else ()
    modes = {item.image: item.mode for item in certified}
    masks = {item.mask for item in certified}
    for source in sources:
        if source.missing:
            found.not_scanned.append(Issue(source.relative, 'its content is missing'))
            continue
        found.files += 1
        if source.relative in points:
            item = points[source.relative]
            listed = found.not_scanned if item.kind == 'unreadable' else found.findings
            listed.append(Issue(source.relative, item.what))
        elif NIFTI.search(source.relative):
            _image(found, source, modes, masks, tell)
        else:
            _file(found, source, known)
    return found


def _left_out(root: Path) -> Iterator[Issue]:
    """Yield the folders that the scan of raw data does not enter, if they hold anything."""
    for name in tree.FOLDERS:
        folder = root / name
        if folder.is_dir() and any(folder.iterdir()):
            yield Issue(name, 'this folder is not scanned: scan it by itself, or remove it')


def _image(
    found: Scan,
    source: Source,
    modes: Mapping[str, str | None],
    masks: Set[str | None],
    tell: Callable[[str], None],
) -> None:
    path = source.relative
    try:
        found.findings += _described(path, headers.find(source.path, path))
    except ImageError as error:
        found.not_scanned.append(Issue(path, _sentence(error, source)))
        return
    if path in masks or why_no_look(path, source.path):
        return
    tell(path)
    seen = attack.attack(source.path, Target(path, modes.get(path)))
    if seen.problem:
        found.not_scanned.append(Issue(path, seen.problem.replace(str(source.path), path)))
        return
    if suffix_of(path) in MASKS:
        found.masks += 1
    else:
        found.images += 1
    if seen.objection:
        reason = f'a face shows with certainty in {seen.certain} of {seen.views} views'
        found.findings.append(Issue(path, reason))


def _file(found: Scan, source: Source, known: Mapping[str, Source]) -> None:
    path = source.relative
    if may_show_face(path):
        found.findings.append(Issue(path, CANNOT_SEARCH))
        return
    if not path.endswith(TEXTS):
        if holds_image(source.path):
            found.findings.append(
                Issue(path, 'it contains an image despite its name, or is damaged')
            )
        return
    sidecar = known.get(names.sidecar(path))
    describing = sidecar.path.read_bytes() if sidecar and not sidecar.missing else None
    try:
        _, findings = metadata.scrub(source.path.read_bytes(), path, describing)
    except DatasetError as error:
        found.not_scanned.append(Issue(path, _sentence(error, source)))
        return
    found.findings += _described(path, findings)


def _described(path: str, findings: tuple[Finding, ...] | list[Finding]) -> list[Issue]:
    """Return an issue for each rule with the places it was found at, not the values."""
    places: dict[str, list[str]] = defaultdict(list)
    for item in findings:
        places[item.rule].append(item.where)
    return [
        Issue(path, f'identifying metadata ({rule}): {", ".join(dict.fromkeys(where))}')
        for rule, where in places.items()
    ]


def _sentence(error: Exception, source: Source) -> str:
    return str(error).replace(str(source.path), source.relative)
