# docker build --tag lanrage-events .        see docs/container.md
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
# The environment has no pip of its own, since nothing is installed into it later.
RUN python -m venv --without-pip /opt/lanrage-events \
    && python -m pip --python /opt/lanrage-events/bin/python install --no-cache-dir \
        '.[daemon,http,metrics,trio]'

FROM python:${PYTHON}-slim
COPY --from=build /opt/lanrage-events /opt/lanrage-events
COPY deploy/container/lanrage.yaml /etc/lanrage-events/lanrage.yaml
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data lanrage \
    && install --directory --mode 700 --owner lanrage --group lanrage /data
ENV PATH=/opt/lanrage-events/bin:$PATH HOME=/data
USER 10001:10001
VOLUME /data
EXPOSE 8666
# Commands find lanrage.yaml in the folder that they run in.
WORKDIR /etc/lanrage-events
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8666/healthz', timeout=4)"]
ENTRYPOINT ["lanrage-events"]
CMD ["run"]
