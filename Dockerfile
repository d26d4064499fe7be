# SPDX-License-Identifier: Apache-2.0
# FaceBIDS for any user id, a read-only root and no network:
#   docker run --read-only --tmpfs /tmp --network none -u "$(id -u):$(id -g)" \
#     -v /data/bids:/bids:ro -v /data/out:/out facebids /bids /out participant -w /tmp/facebids

FROM docker.io/library/debian:trixie-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
RUN python3 -m venv /opt/facebids
ENV PATH=/opt/facebids/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source

# The dependencies are a layer of their own: they change less often than the source.
COPY pyproject.toml ./
# The validator belongs to it: a release is validated where it is made.
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*p['dependencies'], *p['optional-dependencies']['validate'], sep='\n')" > requirements.txt \
    && pip install --requirement requirements.txt

COPY . ./
RUN pip install --no-deps .

# Nothing uses the 68-point landmark model (100 MB), whose licence excludes commercial use, nor the test suites of the
# dependencies; and pip has done its work.
RUN find /opt/facebids -name 'shape_predictor_68_face_landmarks.dat' -delete \
    && find /opt/facebids -type d -name tests -prune -exec rm -r {} + \
    && pip uninstall --yes pip \
    && chmod -R a+rX /opt/facebids

FROM docker.io/library/debian:trixie-slim
LABEL org.opencontainers.image.title="FaceBIDS" \
      org.opencontainers.image.description="Deface head images of a BIDS dataset and prove it" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /opt/facebids /opt/facebids

# No HOME: the user id is not known here. What libraries want to write goes to /tmp; nothing asks the network.
# Parallel work is by image (--nprocs), so each library gets one thread.
ENV PATH=/opt/facebids/bin:$PATH \
    LANG=C.UTF-8 \
    MPLCONFIGDIR=/tmp/matplotlib \
    NIPYPE_CONFIG_DIR=/tmp/nipype \
    NO_ET=1 \
    NIPYPE_NO_ET=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1
WORKDIR /tmp
ENTRYPOINT ["facebids"]
