"""The sandbox carrier: books parcels under the caller's own key, and keeps tombstones."""

from __future__ import annotations
