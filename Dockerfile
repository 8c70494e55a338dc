# syntax=docker/dockerfile:1
# By digest: PYTHON_IMAGE=python:3.11-slim@sha256:…, docs/security.md
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# What builds the package stays out of the image. Both locks have the hash of every file.
# No [embedded]: PostgreSQL and the broker are services of their own in production.
COPY requirements-build.lock requirements-image.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
 && python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY models ./models
COPY tasks ./tasks
COPY worker ./worker
COPY clients/python/src ./clients/python/src
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/venv/bin/pip install --no-index --no-deps /dist/*.whl

FROM ${PYTHON_IMAGE}
# A fixed id, so that the owner of a volume's files is the same in every release.
RUN groupadd --gid 10001 balance \
 && useradd --uid 10001 --gid balance --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin balance \
 && install -d -o balance -g balance /var/lib/balance-worker
COPY --from=build /opt/venv /opt/venv
# Nothing is written beside the code: the root file system is mounted read-only (docker-compose.yml).
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/balance-worker
# SIGTERM is Celery's warm shutdown: the batch in hand is committed and acknowledged, nothing new is taken.
STOPSIGNAL SIGTERM
ENTRYPOINT []
CMD ["celery", "-A", "worker.app", "worker", "--pool", "solo", "-Q", "balance", "-n", "money@%h"]
