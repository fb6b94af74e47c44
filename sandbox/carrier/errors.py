"""What the carrier answers when it says no: {"error": {"code", "message"}}.

CarrierError            status, code
├── MalformedError  400 malformed            the body is no JSON object
├── InvalidError    422 invalid_request, unknown_service: a field makes no sense
├── BadKeyError     401 unauthorized         no or wrong bearer key
├── UnknownError    404 parcel_unknown       no such key or tracking number
├── IllegalError    409 parcel_canceled, already_picked_up, …: not possible from here
├── RefusedError    409/422                  a no of the carrier's own
└── OutError        500/503                  a fault that a service token asked for
"""

from __future__ import annotations


class CarrierError(Exception):
    """A no; nothing was changed."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, object]:
        """The reply's body."""
        return {"error": {"code": self.code, "message": str(self)}}


class MalformedError(CarrierError):
    """The body is no JSON object, or has fields that the endpoint does not take."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=400, code="malformed")


class InvalidError(CarrierError):
    """A field makes no sense; repeating it will not help."""

    def __init__(self, message: str, *, code: str = "invalid_request") -> None:
        super().__init__(message, status=422, code=code)


class BadKeyError(CarrierError):
    """No or wrong bearer key."""

    def __init__(self) -> None:
        super().__init__("no or wrong bearer key", status=401, code="unauthorized")


class UnknownError(CarrierError):
    """No such key or tracking number."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no parcel {name}", status=404, code="parcel_unknown")


class IllegalError(CarrierError):
    """The parcel is not in a state for this."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, status=409, code=code)


class RefusedError(CarrierError):
    """A no of the carrier's own."""


class OutError(CarrierError):
    """A fault that a service token asked for."""

    def __init__(self, status: int) -> None:
        super().__init__("the sandbox was told to fail here", status=status, code="unavailable")
