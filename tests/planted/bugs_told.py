"""Mistakes with what others hear: told and forgotten, or forgotten and told."""

from __future__ import annotations

from typing import Final

from tests.planted.kinds import bug

TOLD: Final = (
    bug(
        "a relay takes the loss of its connection for its own end",
        "worker/relay/relay.py",
        "await asyncio.create_task(self._run_session())",
        "await self._run_session()",
        caught_by="tests/relay/test_relay.py"
        "::test_a_relay_goes_on_after_each_loss_of_its_connection",
    ),
    bug(
        "the relay moves its cursor before it publishes: what was under way is never told",
        "worker/relay/lane.py",
        "        outcomes = await asyncio.gather(\n"
        "            *map(self._bring_order, chains.values()), return_exceptions=True\n",
        "        async with transaction(self._pool) as connection:\n"
        "            await outbox.move_cursors(connection, self._name, batch)\n"
        "        outcomes = await asyncio.gather(\n"
        "            *map(self._bring_order, chains.values()), return_exceptions=True\n",
        caught_by="tests/relay/test_relay.py"
        "::test_a_sink_that_is_away_stops_nobody_else_and_catches_up",
    ),
    bug(
        "the relay tells an order's events side by side: the last one may come first",
        "worker/relay/lane.py",
        "            for event in events:\n"
        "                try:\n"
        "                    await self._publisher.publish(event)\n",
        "            for event in reversed(events):\n"
        "                try:\n"
        "                    await self._publisher.publish(event)\n",
        caught_by="tests/relay/test_relay.py"
        "::test_every_event_is_told_once_and_in_its_orders_order",
    ),
    bug(
        "a webhook is marked as delivered before its receiver has answered",
        "worker/webhooks.py",
        "            outcome = await webhooks.send(\n",
        "            await self._settle(claimed, Outcome(http_status=204))\n"
        "            outcome = await webhooks.send(\n",
        caught_by="tests/hooks/test_delivering.py"
        "::test_what_a_killed_worker_had_sent_is_sent_again_by_the_same_id",
    ),
    bug(
        "a mail is marked as sent before the server has it",
        "worker/notices.py",
        "            async with asyncio.timeout(SEND_S):\n",
        '            await self._settle(due, "sent")\n'
        "            async with asyncio.timeout(SEND_S):\n",
        caught_by="tests/notices/test_sending.py"
        "::test_killed_between_sending_and_writing_it_down_the_same_mail_goes_again",
    ),
    bug(
        "nobody renews the lease of mails that are still being sent",
        "worker/notices.py",
        "                    if time.monotonic() > leased_s + LEASE_S - SEND_S:\n",
        "                    if False:\n",
        caught_by="tests/notices/test_sending.py"
        "::test_what_is_still_to_be_sent_stays_the_senders_mail_by_mail",
    ),
    bug(
        "the broker's confirm is not waited for",
        "adapters/rabbitmq.py",
        "self._connection.channel(on_return_raises=False)",
        "self._connection.channel(publisher_confirms=False)",
        caught_by="tests/rabbitmq/test_publishing.py::test_without_a_confirm_nothing_is_certain",
    ),
)
