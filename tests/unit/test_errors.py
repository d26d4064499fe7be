# SPDX-License-Identifier: Apache-2.0
import inspect

import pytest

from facebids import errors

CODES = {
    'FacebidsError': 70,
    'UsageError': 2,
    'TemplateError': 2,
    'DatasetError': 65,
    'NoImagesError': 66,
    'OutputError': 73,
    'ReleaseRefused': 3,
    'PhotographError': 1,
    'VideoError': 1,
    'ImageError': 1,
    'UnreadableImageError': 1,
    'EmptyImageError': 1,
    'GridError': 1,
    'KeepMaskError': 1,
    'NotAHeadError': 1,
    'UnexpectedError': 1,
}


@pytest.mark.parametrize('name', CODES)
def test_each_error_ends_with_its_documented_code(name):
    error = getattr(errors, name)
    assert issubclass(error, errors.FacebidsError)
    assert error.exit_code == CODES[name]


def test_every_error_is_listed_here_and_in_the_tree():
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert set(classes) == set(CODES)
    assert all(name in errors.__doc__ for name in classes)
