# Not built where it was written: no container engine ran there. Checked by hadolint and tests/packaging alone.
#   docker build -t unpersonal .
#   docker run --rm -v "$PWD:/data" unpersonal verify release
# An NVIDIA GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130, and `docker run --gpus all`.
FROM python:3.11.11-slim-bookworm AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir build==1.6.1 \
    && python -m build --wheel --outdir /wheels

FROM python:3.11.11-slim-bookworm
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=train,dicom,nifti,sign,ocr
COPY constraints.txt /opt/constraints.txt
# torch comes first and alone: its CPU build satisfies every later requirement
RUN pip install --no-cache-dir --constraint /opt/constraints.txt --index-url "${TORCH_INDEX}" torch
COPY --from=wheel /wheels /opt/wheels
RUN pip install --no-cache-dir --constraint /opt/constraints.txt "$(echo /opt/wheels/*.whl)[${EXTRAS}]" \
    && useradd --create-home --uid 1000 unpersonal
# caches that libraries write; /data is where the caller's folder is mounted
ENV MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
USER 1000
WORKDIR /data
ENTRYPOINT ["unpersonal"]
CMD ["--help"]
