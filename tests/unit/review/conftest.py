# SPDX-License-Identifier: Apache-2.0
"""An output folder to review, and a review that is served in this process."""

import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import make
import pytest
from PIL import Image
from review_heads import HEADS

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.core.record import Reason
from facebids.filesystem import write_text_atomic
from facebids.review import items


@pytest.fixture
def output(tmp_path) -> Path:
    """Return an output folder with an image to review, two that pass, and one that is withheld."""
    root = tmp_path / 'out'
    for path, (verdict, high) in HEADS.items():
        image = HeadImage.from_relative_path(path)
        reasons = (Reason('person_recognised_after', 'review', '<b>It may show.</b>'),)
        record = make.image_record(
            path,
            verdict=verdict,
            reasons=() if verdict == 'pass' else reasons,
            identifiability={'log10_lr_high': high},
        )
        records.merge(root, names.metrics(image), [record])
        if verdict == 'fail':
            continue
        write_text_atomic(root / names.defaced(image), 'voxels')
        for kind in ('renders', 'slices'):
            picture = root / names.figure(image, kind)
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (60, 40), (90, 90, 90)).save(picture)
    return root


@dataclass
class Served:
    """A review that is served."""

    url: str
    key: str
    table: Path


@pytest.fixture
def serve(output, tmp_path):
    """Return a function that serves a review of the output in a thread."""
    import uvicorn

    from facebids.review import server
    from facebids.web.listen import listen

    running = []

    def start() -> Served:
        key = f'key-{len(running)}'
        review = server.Review(output, tmp_path / 'accepted.tsv', 'Ada', items.collect(output))
        listener = listen(server.HOST, 0)
        configuration = uvicorn.Config(
            server.make_app(review, key), log_level='error', lifespan='off'
        )
        served = uvicorn.Server(configuration)
        thread = threading.Thread(target=served.run, args=([listener],))
        thread.start()
        running.append((served, thread, listener))
        while not served.started:
            time.sleep(0.01)
        return Served(f'http://127.0.0.1:{listener.getsockname()[1]}', key, review.table)

    yield start
    for served, thread, listener in running:
        with closing(listener):
            served.should_exit = served.force_exit = True
            thread.join()
