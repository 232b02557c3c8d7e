# The newest patch of each base; to pin one: docker build --build-arg PYTHON=python@sha256:… .
ARG PYTHON=python:3.11-slim-bookworm
ARG NODE=node:24-bookworm-slim

FROM ${NODE} AS assets
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci

FROM ${PYTHON} AS build
WORKDIR /build
COPY .ci/bootstrap.lock .ci/
RUN python -m venv /opt/tools \
    && /opt/tools/bin/pip install --no-cache-dir --no-deps --require-hashes -r .ci/bootstrap.lock
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/shipboard \
    && /opt/tools/bin/uv pip sync --no-cache --python /opt/shipboard/bin/python --require-hashes \
        --compile-bytecode requirements.lock
COPY --from=assets /build/node_modules node_modules/
COPY pyproject.toml README.md ./
COPY .ci/assets.py .ci/
COPY app app/
COPY templates templates/
COPY static static/
RUN python .ci/assets.py \
    && /opt/tools/bin/hatchling build --target wheel \
    && /opt/tools/bin/uv pip install --no-cache --python /opt/shipboard/bin/python --no-deps \
        --compile-bytecode dist/*.whl

FROM ${PYTHON}
RUN useradd --uid 1000 --home-dir /var/lib/shipboard --create-home shipboard
COPY --from=build /opt/shipboard /opt/shipboard/
ENV PATH=/opt/shipboard/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /var/lib/shipboard
EXPOSE 8000
# Listens on the container's loopback: reaching it from outside takes the flags docker-compose.yml adds,
# and with them the duty to publish the port with care.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=3)"]
CMD ["shipboard", "serve"]
