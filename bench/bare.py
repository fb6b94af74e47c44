"""The least that a service like ours could do: one row, or one start of a workflow, a request.

`python -m bench.bare`, with DATABASE, TEMPORAL, NAMESPACE and PORT in its environment.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from temporalio.client import Client

TASK_QUEUE = "nobody-listens"
POOL = 10  # connections, as the API's


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=POOL, max_size=POOL)
    app.state.pool = pool
    app.state.engine = await Client.connect(
        os.environ["TEMPORAL"], namespace=os.environ["NAMESPACE"]
    )
    yield
    await pool.close()


app = FastAPI(lifespan=_lifespan)


@app.post("/insert")
async def insert(request: Request) -> Response:
    """One row, committed."""
    body = orjson.loads(await request.body())
    name = uuid.uuid4().hex
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(
            "insert into bare_orders (id, body) values ($1, $2)", name, orjson.dumps(body).decode()
        )
    return Response(orjson.dumps({"id": name}), status_code=201)


@app.post("/start")
async def start(request: Request) -> Response:
    """One workflow started, which nobody runs."""
    orjson.loads(await request.body())
    name = uuid.uuid4().hex
    await request.app.state.engine.start_workflow("Bare", id=f"bare:{name}", task_queue=TASK_QUEUE)
    return Response(orjson.dumps({"id": name}), status_code=201)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
