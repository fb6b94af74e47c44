"""What the client raises."""

from __future__ import annotations

from ordersaga.errors import OrdersagaError, Unavailable


class ApiUnavailable(Unavailable):
    """The API did not answer usefully for too long. What was asked may still have happened.

    `is_lost`: the last time it was sent, and no answer came at all.
    """

    def __init__(self, message: str, *, is_lost: bool = False) -> None:
        super().__init__(message)
        self.is_lost = is_lost


class ApiProblem(OrdersagaError):
    """The API said no. `code` is for programs; `detail` is for people.

    `allowed`: where a move was refused, the moves that are possible now.
    """

    def __init__(
        self, *, status: int, code: str, detail: str, allowed: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.allowed = allowed
