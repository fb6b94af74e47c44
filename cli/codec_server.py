"""`ordersaga codec-server`: lets Temporal's own tools show histories that are encrypted."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli.endings import MISUSED, give_up

PAYLOAD_KEYS = "ORDERSAGA_PAYLOAD_KEYS"


def command(
    port: Annotated[int, typer.Option(help="TCP port of this machine.", min=1)] = 8234,
    ui_origin: Annotated[
        str, typer.Option(help="Where your browser has Temporal's UI from.")
    ] = "http://127.0.0.1:8233",
) -> None:
    """Decrypt for Temporal's UI and `temporal`, on this machine only.

    With the keys of ORDERSAGA_PAYLOAD_KEYS. In the UI: the glasses at the top,
    http://127.0.0.1:8234; `temporal`: --codec-endpoint with the same.
    """
    import uvicorn
    from pydantic import TypeAdapter, ValidationError

    from adapters.payload_codec import KeyRing
    from api.codec import create_codec_server
    from ordersaga.config import PayloadKeys

    try:
        keys = TypeAdapter(PayloadKeys).validate_python(os.environ.get(PAYLOAD_KEYS, ""))
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors(include_input=False))
        give_up(f"{PAYLOAD_KEYS}: {faults}", code=MISUSED)
    if not keys:
        give_up(f"{PAYLOAD_KEYS}: is not set", code=MISUSED)
    server = create_codec_server(KeyRing(keys), ui_origin=ui_origin)
    typer.echo(f"decrypts at http://127.0.0.1:{port} for {ui_origin}")
    uvicorn.run(server, host="127.0.0.1", port=port, log_level="warning", access_log=False)
