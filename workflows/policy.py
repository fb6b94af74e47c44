"""Every time-out and retry of the saga, named, with its why. Lanes are chosen here."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

# --- The local lane: our own site ---------------------------------------------------------------

# Ours take milliseconds; longer ones would delay signals and updates.
LOCAL_STEP_TIMEOUT_S: Final = 2
LOCAL_RETRY_FIRST_S: Final = 0.1
LOCAL_RETRY_CAP_S: Final = 10  # PostgreSQL away: it is back within seconds or within minutes
LOCAL_RETRY_THRESHOLD_S: Final = 2  # waits longer than this become timers, and free the worker


class LocalOptions(TypedDict):
    start_to_close_timeout: timedelta
    local_retry_threshold: timedelta
    retry_policy: RetryPolicy


# No schedule-to-close: a step of our own site has no other way to end than to be done.
LOCAL: Final = LocalOptions(
    start_to_close_timeout=timedelta(seconds=LOCAL_STEP_TIMEOUT_S),
    local_retry_threshold=timedelta(seconds=LOCAL_RETRY_THRESHOLD_S),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=LOCAL_RETRY_FIRST_S),
        maximum_interval=timedelta(seconds=LOCAL_RETRY_CAP_S),
    ),
)

# --- Local first: providers and carriers, before the decision, where the settings say so ---------------

# A provider answers within a second, nearly always. A slower one is left to the task queue: while a step is
# asked within the workflow's task, no cancel and no message reaches that order.
LOCAL_FIRST_TIMEOUT_S: Final = 2


class LocalFirstOptions(TypedDict):
    schedule_to_close_timeout: timedelta
    retry_policy: RetryPolicy


# Schedule-to-close, so that waiting for a slot counts too: slow providers hold up no task for longer. Tried
# once: retries are the task queue's.
LOCAL_FIRST: Final = LocalFirstOptions(
    schedule_to_close_timeout=timedelta(seconds=LOCAL_FIRST_TIMEOUT_S),
    retry_policy=RetryPolicy(maximum_attempts=1),
)

# --- The queued lane: providers and carriers ------------------------------------------------------

REMOTE_ATTEMPT_TIMEOUT_S: Final = 50  # up to three calls, each given up after 15 by its client
REMOTE_HEARTBEAT_TIMEOUT_S: Final = 5  # a killed worker's step is tried again so soon
REMOTE_RETRY_FIRST_S: Final = 0.5
ASK_RETRY_CAP_S: Final = 10  # a buyer waits: ask often, until the order's patience ends


class RemoteOptions(TypedDict, total=False):
    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    schedule_to_close_timeout: timedelta
    cancellation_type: ActivityCancellationType
    retry_policy: RetryPolicy


def asking(*, patience_s: float) -> RemoteOptions:
    """A hold, a charge or a capture: retried through outages until `patience_s` is over."""
    return RemoteOptions(
        start_to_close_timeout=timedelta(seconds=REMOTE_ATTEMPT_TIMEOUT_S),
        heartbeat_timeout=timedelta(seconds=REMOTE_HEARTBEAT_TIMEOUT_S),
        schedule_to_close_timeout=timedelta(seconds=patience_s),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=REMOTE_RETRY_FIRST_S),
            maximum_interval=timedelta(seconds=ASK_RETRY_CAP_S),
        ),
    )


def insisting(*, retry_cap_s: int) -> RemoteOptions:
    """An undo, a release, a refund: retried without end; a person is called meanwhile.

    When that person has it stopped, the attempt under way is waited for: it may get through.
    """
    return RemoteOptions(
        start_to_close_timeout=timedelta(seconds=REMOTE_ATTEMPT_TIMEOUT_S),
        heartbeat_timeout=timedelta(seconds=REMOTE_HEARTBEAT_TIMEOUT_S),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=REMOTE_RETRY_FIRST_S),
            maximum_interval=timedelta(seconds=retry_cap_s),
        ),
    )


# A return waits for people's decisions, of which it is told. A week's wait costs it a few events.
LOOK_AGAIN: Final = timedelta(days=1)

# Somebody's word was stored before the hold ended, and is told to the workflow a moment later.
RELEASE_ON_ITS_WAY: Final = timedelta(seconds=10)
