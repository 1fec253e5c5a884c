# Stockade as an image: docker build -t stockade .
#
# Runs as a user without rights on a read-only root file system; only /var/lib/stockade is written.
# What it does is set by /etc/stockade/stockade.toml (mount your own over it) and STOCKADE_… variables.

ARG PYTHON_VERSION=3.13

# -- build: everything that is only needed to install
FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /src
# Without pip: nothing can be installed into the environment that the image ships.
RUN python -m venv --without-pip /opt/stockade
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
RUN python -m pip --python /opt/stockade/bin/python install --no-cache-dir --disable-pip-version-check '.[embedded]'

# -- the image
FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="Stockade" \
      org.opencontainers.image.description="A polite edge blocker for online stores" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 stockade \
 && useradd --system --uid 10001 --gid stockade --home-dir /var/lib/stockade --no-create-home \
            --shell /usr/sbin/nologin stockade \
 && install -d -m 0700 -o stockade -g stockade /var/lib/stockade
COPY --from=build /opt/stockade /opt/stockade
COPY config/examples/container.toml /etc/stockade/stockade.toml
# STATE_DIRECTORY is the default of `data_dir`; HEALTHCHECK_URL is read by the health check below alone.
ENV PATH=/opt/stockade/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    STATE_DIRECTORY=/var/lib/stockade \
    HEALTHCHECK_URL=http://127.0.0.1:8080/.stockade/livez
USER stockade
WORKDIR /var/lib/stockade
VOLUME /var/lib/stockade
EXPOSE 8080
# SIGTERM drains: give `docker stop` timeouts.drain_wait + drain_limit + 5 s (-t 40, stop_grace_period).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-ISc", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(os.environ['HEALTHCHECK_URL'], timeout=2)"]
ENTRYPOINT ["stockade"]
CMD ["serve"]
