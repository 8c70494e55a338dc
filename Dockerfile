# syntax=docker/dockerfile:1
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY models ./models
COPY tasks ./tasks
COPY worker ./worker
# The lock holds the tools of development too, so it constrains versions here and does not say what to install.
# No [embedded]: PostgreSQL and the broker are services of their own in production.
RUN /opt/venv/bin/pip install --no-cache-dir -c requirements.lock ".[flower,anchors]"

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
