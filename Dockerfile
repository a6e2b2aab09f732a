# syntax=docker/dockerfile:1

# The Python and the Debian that the tests run on.
FROM python:3.11-slim-bookworm AS build

WORKDIR /build
COPY requirements-uv.lock requirements-build.lock requirements.lock ./
# Everything by its hash, also what makes wheels. There is no compiler here or later.
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
    && python -m venv --without-pip /opt/calotype \
    && /tools/bin/uv pip sync --no-cache --python /opt/calotype/bin/python --require-hashes \
        --build-constraints requirements-build.lock --compile-bytecode requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY pipeline pipeline
COPY cdn_edge cdn_edge
COPY gateway gateway
RUN /tools/bin/uv pip install --no-cache --python /opt/calotype/bin/python --no-deps \
        --build-constraints requirements-build.lock --compile-bytecode .

FROM python:3.11-slim-bookworm

# The letters of an SVG. Debian keeps only the newest version of a package: one that is named here
# would soon not be there.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fontconfig-config fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 calotype \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin calotype \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data

COPY --from=build /opt/calotype /opt/calotype

ENV PATH=/opt/calotype/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CALOTYPE_DATA=/data \
    CALOTYPE_HOST=0.0.0.0

# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /data
EXPOSE 8000 8001

# Of `up` and `gateway`; the other roles are asked by whoever starts them.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-ISc", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["calotype"]
CMD ["up"]
