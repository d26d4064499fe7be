# SPDX-License-Identifier: Apache-2.0
# Build it with scripts/image, which passes the version. It runs with any user id, a read-only root and no network:
#   docker run --read-only --tmpfs /tmp --network none -u "$(id -u):$(id -g)" \
#     -v /data/bids:/bids:ro -v /data/out:/out facebids /bids /out participant -w /tmp/facebids
# Other commands: --entrypoint facebids-phantom, facebids-quiz or facebids-verify. facebids-mask needs the packages for video, which
# would nearly double the size of the image, and two libraries of the system:
#   scripts/image --build-arg REQUIREMENTS=requirements-video.txt --build-arg SYSTEM='libegl1 libgles2'

# For a release, pin the base by its digest: --build-arg BASE=docker.io/library/debian:trixie-slim@sha256:...
# (`docker buildx imagetools inspect debian:trixie-slim` prints it). Packages of Python are pinned by requirements.txt.
ARG BASE=docker.io/library/debian:trixie-slim
# The default is fallback_version of pyproject.toml: the image is built from a copy without git's history.
ARG VERSION=0.1.dev0
ARG REQUIREMENTS=requirements.txt

FROM ${BASE} AS build
ARG REQUIREMENTS
RUN apt-get update && apt-get install --yes --no-install-recommends binutils python3-venv
RUN python3 -m venv /opt/facebids
ENV PATH=/opt/facebids/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source

# The dependencies are a layer of their own, as they change less often than the source. The BIDS validator is among them,
# because a release is validated where it is made, and so are the packages of the quiz.
COPY ${REQUIREMENTS} ./
RUN pip install --no-deps --require-hashes --requirement "$REQUIREMENTS"

COPY . ./
ARG VERSION
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FACEBIDS="$VERSION" pip install --no-deps .

# FaceBIDS uses neither the 68-point landmark model (100 MB), whose licence excludes commercial use, nor the test suites, examples
# and example data of its dependencies, nor the C library and the converters of onnxruntime, nor pip. Symbols for debuggers are
# stripped, except from libraries that auditwheel has patched (*.libs). Of compiled Python only what a run imports is kept.
RUN cd /opt/facebids/lib/python3*/site-packages \
    && find . \( -name 'shape_predictor_68_face_landmarks.dat' -o -name 'libonnxruntime.so*' -o -name 'bids-validator.js.map' \) -delete \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && rm -r matplotlib/mpl-data/sample_data nilearn/_assets nilearn/datasets/data/fsaverage5 nipype/testing/data \
        onnxruntime/quantization onnxruntime/tools onnxruntime/transformers sklearn/datasets/data traits/examples \
    && find skimage/data statsmodels/datasets -type f ! -name '*.py' ! -name '*.pyi' -delete \
    && find . -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} + \
    && pip uninstall --yes pip \
    && find /opt/facebids -type d -name __pycache__ -prune -exec rm -r {} + \
    && python -m compileall -q /opt/facebids/lib/python3*/site-packages/facebids \
    && ORT_DISABLE_TELEMETRY=1 python -c 'import ants, bids, dlib, embreex, jinja2, matplotlib.pyplot, nipype.pipeline.engine, \
        onnxruntime, pydantic, rich.progress, skimage.measure, sklearn.svm, templateflow' \
    && chmod -R a+rX /opt/facebids

FROM ${BASE}
ARG VERSION
ARG SYSTEM=
LABEL org.opencontainers.image.title="FaceBIDS" \
      org.opencontainers.image.description="Deface head images of a BIDS dataset and prove it" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 ${SYSTEM} \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /opt/facebids /opt/facebids

# No HOME, as the user id is not known here. Libraries write to /tmp, and use no network.
# Images are processed in parallel (--nprocs), so each library gets one thread.
ENV PATH=/opt/facebids/bin:$PATH \
    LANG=C.UTF-8 \
    MPLCONFIGDIR=/tmp/matplotlib \
    NIPYPE_CONFIG_DIR=/tmp/nipype \
    NO_ET=1 \
    NIPYPE_NO_ET=1 \
    ORT_DISABLE_TELEMETRY=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1
WORKDIR /tmp
ENTRYPOINT ["facebids"]
