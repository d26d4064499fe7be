# SPDX-License-Identifier: Apache-2.0
"""Methods boilerplate that users may copy into a paper, and its references."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from facebids.core.modes import MODES
from facebids.version import __version__


@dataclass(frozen=True)
class Reference:
    """Cited work; ``link`` is its DOI, or its URL if it has no DOI."""

    key: str
    authors: str
    title: str
    source: str
    year: int
    link: str

    @property
    def url(self) -> str:
        """URL of the work."""
        return self.link if self.link.startswith('http') else f'https://doi.org/{self.link}'


REFERENCES = (
    Reference(
        'bids',
        'Gorgolewski KJ and others',
        'The brain imaging data structure, a format for organizing and describing outputs of '
        'neuroimaging experiments',
        'Scientific Data 3:160044',
        2016,
        '10.1038/sdata.2016.44',
    ),
    Reference(
        'pybids',
        'Yarkoni T and others',
        'PyBIDS: Python tools for BIDS datasets',
        'Journal of Open Source Software 4(40):1294',
        2019,
        '10.21105/joss.01294',
    ),
    Reference(
        'nipype',
        'Gorgolewski K and others',
        'Nipype: a flexible, lightweight and extensible neuroimaging data processing framework '
        'in Python',
        'Frontiers in Neuroinformatics 5:13',
        2011,
        '10.3389/fninf.2011.00013',
    ),
    Reference(
        'ants',
        'Tustison NJ and others',
        'The ANTsX ecosystem for quantitative biological and medical imaging',
        'Scientific Reports 11:9068',
        2021,
        '10.1038/s41598-021-87564-6',
    ),
    Reference(
        'icbm152',
        'Fonov V and others',
        'Unbiased average age-appropriate atlases for pediatric studies',
        'NeuroImage 54(1):313-327',
        2011,
        '10.1016/j.neuroimage.2010.07.033',
    ),
    Reference(
        'embree',
        'Wald I and others',
        'Embree: a kernel framework for efficient CPU ray tracing',
        'ACM Transactions on Graphics 33(4):143',
        2014,
        '10.1145/2601097.2601199',
    ),
    Reference(
        'dlib',
        'King DE',
        'Dlib-ml: a machine learning toolkit',
        'Journal of Machine Learning Research 10:1755-1758',
        2009,
        'https://jmlr.org/papers/v10/king09a.html',
    ),
    Reference(
        'schwarz',
        'Schwarz CG and others',
        'Identification of anonymous MRI research participants with face-recognition software',
        'New England Journal of Medicine 381:1684-1686',
        2019,
        '10.1056/NEJMc1908881',
    ),
    Reference(
        'mazura',
        'Mazura JC and others',
        'Facial recognition software success rates for the identification of 3D surface '
        'reconstructed facial images: implications for patient privacy and security',
        'Journal of Digital Imaging 25(3):347-351',
        2012,
        '10.1007/s10278-011-9429-3',
    ),
    Reference(
        'steeg',
        'Steeg K and others',
        'Re-identification of anonymised MRI head images with publicly available software: '
        'investigation of the current risk to patient privacy',
        'eClinicalMedicine 78:102930',
        2024,
        '10.1016/j.eclinm.2024.102930',
    ),
    Reference(
        'atropos',
        'Avants BB, Tustison NJ, Wu J, Cook PA, Gee JC',
        'An open source multivariate framework for n-tissue segmentation with evaluation on '
        'public data',
        'Neuroinformatics 9:381',
        2011,
        '10.1007/s12021-011-9109-y',
    ),
    Reference(
        'bland',
        'Bland JM, Altman DG',
        'Statistical methods for assessing agreement between two methods of clinical measurement',
        'Lancet 1:307',
        1986,
        '10.1016/S0140-6736(86)90837-8',
    ),
)

METHODS = """\
The head images of a BIDS dataset [bids] were selected with PyBIDS [pybids] and defaced with
FaceBIDS {version}, implemented as a Nipype [nipype] workflow. Each image was registered to a head
atlas with an affine transform estimated by ANTs [ants]. The atlas is a parametric head around the
ICBM 2009a nonlinear symmetric brain [icbm152]. The face region of the atlas was mapped to the grid
of the image. Voxels within a margin around the brain were kept, and the remaining voxels of the
region were replaced{how}. All other voxels are identical to those of the source image, bit for
bit.

Each image was then attacked as in [schwarz]. The skin surface before and after defacing was
rendered by ray casting [embree] from named views and from random views with a fixed random seed. A
face detector was applied to all renders, and the detected faces were compared by their
128-dimensional embeddings (dlib [dlib]) and by their shape. The verdict is based on the strength
of evidence that the defaced head shows the participant, a likelihood ratio calibrated against
decoys, which are faces of people who do not exist, painted into the same scan; and on the quality
of the registration, the share of the skin of the face that was removed, and the brain that was
kept. It is a lower bound of the risk: a stronger attack may find more.{face_left}

The effect of defacing on an analysis was measured in a brain mask that was estimated from the
image alone. The measures are the number of changed voxels, and the volumes of grey matter, white
matter and cerebrospinal fluid segmented by Atropos [atropos] before and after defacing. The
volumes are compared by their limits of agreement [bland].{register_again}

In datasets with several participants, each participant was searched in a gallery of all
participants, before and after defacing: scans in a gallery of scans and, where photographs were
available, renders in a gallery of photographs [mazura], photographs in a gallery of scans
[schwarz], and single views and hairstyles in a gallery of photographs [steeg]. Intervals are 95 %
bootstrap intervals, computed by resampling participants.
"""


def paragraphs(modes: Iterable[str] = ()) -> list[str]:
    """Return the paragraphs of the methods, with numbered citations (``[1]``).

    Parameters
    ----------
    modes
        Defacing modes that were used; none if they are not known.
    """
    used = [mode for name, mode in MODES.items() if name in set(modes)]
    how = ' or '.join(mode.help for mode in used)
    left = ' A face that is detected after defacing may be the one that was put on.'
    again = (
        ' Defaced images were registered again, to measure how far their new face moves the '
        'registration.'
    )
    order = {reference.key: number for number, reference in enumerate(REFERENCES, 1)}
    text = METHODS.format(
        version=__version__,
        how=f' {how}' if how else '',
        face_left=left if any(not mode.face_gone for mode in used) else '',
        register_again=again if any(mode.register_again for mode in used) else '',
    )
    text = re.sub(r'\[(\w+)\]', lambda match: f'[{order[match[1]]}]', text)
    return [' '.join(paragraph.split()) for paragraph in text.split('\n\n')]


def markdown(modes: Iterable[str] = ()) -> str:
    """Return the methods of some defacing modes, and the references, as Markdown."""
    works = [
        f'{number}. {item.authors}. {item.title}. {item.source} ({item.year}). <{item.url}>'
        for number, item in enumerate(REFERENCES, 1)
    ]
    return '\n\n'.join(['# Methods', *paragraphs(modes), '# References', '\n'.join(works)]) + '\n'


def bibtex() -> str:
    """Return the references as BibTeX."""
    return '\n'.join(map(_bibtex_entry, REFERENCES))


def _bibtex_entry(item: Reference) -> str:
    return (
        f'@article{{{item.key},\n  author = {{{item.authors}}},\n  title = {{{item.title}}},\n'
        f'  journal = {{{item.source}}},\n  year = {{{item.year}}},\n  url = {{{item.url}}}\n}}\n'
    )
