"""The `ordersaga` command. Command modules import what is heavy only when they run."""

from __future__ import annotations

import typer

from cli import audit, keys, migrate, purge, serve, sweep, up
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
app.command("worker")(serve.worker)
app.command("api")(serve.api)
app.command("migrate")(migrate.command)
app.add_typer(keys.app, name="keys")
app.add_typer(sweep.app, name="sweep")
app.command("purge")(purge.command)

if __name__ == "__main__":
    app()
