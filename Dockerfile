# lsdc on the CPU, without CUDA. This file is not built in CI.
#
#     docker build -t lsdc --build-arg TORCH_INDEX=URL .      # URL: pip index of PyTorch's CPU wheels, see pytorch.org
#     docker run --rm -v "$PWD:/data" lsdc features extract /data/cohort --out /data/store
#
# Without TORCH_INDEX, pip takes the default PyTorch, which contains CUDA on x86.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lsdc
RUN /opt/lsdc/bin/pip install torch torchvision ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY . /src
RUN /opt/lsdc/bin/pip install /src

FROM python:3.12-slim
# LightGBM and XGBoost need OpenMP's runtime.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/lsdc /opt/lsdc
RUN useradd --create-home --uid 1000 lsdc
USER lsdc
WORKDIR /data
ENV PATH=/opt/lsdc/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["lsdc"]
CMD ["--help"]
