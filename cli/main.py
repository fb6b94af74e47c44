"""The `ordersaga` command. Command modules import what is heavy only when they run."""

from __future__ import annotations

import typer

from cli import (
    audit,
    codec_server,
    erase,
    event_schemas,
    import_,
    keys,
    listen,
    migrate,
    openapi,
    purge,
    relay,
    serve,
    sweep,
    up,
)
from cli.chaos import command as chaos
from cli.demo import command as demo

app = typer.Typer(
    name="ordersaga",
    help="Orders as durable sagas: payment, stock and parcel all happen, or none of it remains.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug shows its traceback as it is
)
app.command("up")(up.command)
app.command("demo")(demo.demo)
app.command("audit")(audit.audit)
app.command("chaos")(chaos.chaos)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("api")(serve.api)
app.command("openapi")(openapi.openapi)
app.command("migrate")(migrate.command)
app.add_typer(keys.app, name="keys")
app.add_typer(sweep.app, name="sweep")
app.add_typer(relay.app, name="relay")
app.command("listen")(listen.command)
app.command("event-schemas")(event_schemas.command)
app.command("erase")(erase.command)
app.command("codec-server")(codec_server.command)
app.command("purge")(purge.command)
app.command("import")(import_.command)

if __name__ == "__main__":
    app()
