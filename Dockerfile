# One image for the API, the worker and the migrations: `docker run ordersaga api|worker|migrate`.
# Like docker-compose.yml it was not built on the machine where it was written.

FROM python:3.11.13-slim-bookworm AS build
RUN python -m venv /opt/ordersaga
ENV PATH=/opt/ordersaga/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml constraints.txt LICENSE ./
COPY ordersaga ordersaga
COPY workflows workflows
COPY activities activities
COPY adapters adapters
COPY worker worker
COPY api api
COPY sandbox sandbox
COPY cli cli
RUN pip install . -c constraints.txt

FROM python:3.11.13-slim-bookworm
COPY --from=build /opt/ordersaga /opt/ordersaga
ENV PATH=/opt/ordersaga/bin:$PATH PYTHONUNBUFFERED=1
# No account, no home, nothing of its own to write to.
USER 10001:10001
WORKDIR /
EXPOSE 8000
ENTRYPOINT ["ordersaga"]
CMD ["api", "--host", "0.0.0.0", "--port", "8000"]
