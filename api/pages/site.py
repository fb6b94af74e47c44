"""What all pages share: templates, files beside them, headers, and how a refusal looks.

A page works without JavaScript for reading; what scripts there are come from here. Nothing inline, nothing
from elsewhere: the policy that goes with every page lets a browser load our own files, and no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.problems import Problem

_HERE: Final = Path(__file__).parent
PAGE_PATHS: Final = ("/track/", "/console")  # under these a refusal is a page, too

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"  # its address has its content's hash

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    version: str


@cache
def _files() -> Mapping[str, _File]:
    """By name. Read once: what a process serves does not change under it."""
    return {
        path.name: _File(
            content := path.read_bytes(),
            _MEDIA_TYPES[path.suffix],
            hashlib.sha256(content).hexdigest()[:12],
        )
        for path in sorted((_HERE / "static").iterdir())
    }


def static(name: str) -> str:
    """The address of a file in static/, which changes with its content."""
    return f"/static/{_files()[name].version}/{name}"


TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["static"] = static


def page(
    template: str,
    *,
    language: str = "en",
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **shown: object,
) -> HTMLResponse:
    """A page of templates/, with what it shows. `language` is that of its words, a BCP 47 tag."""
    return HTMLResponse(
        TEMPLATES.get_template(template).render(shown, language=language),
        status_code=status,
        headers={
            "Content-Security-Policy": _POLICY,
            "Content-Language": language,
            **(headers or {}),
        },
    )


def is_page(request: Request) -> bool:
    """Was it a browser's address that somebody looks at?"""
    return request.url.path.startswith(PAGE_PATHS)


def refusal(problem: Problem) -> Response:
    """What a person sees in place of the page."""
    return page(
        "problem.html",
        status=problem.kind.status,
        headers=problem.headers,
        title=problem.kind.title,
        detail=problem.detail,
    )


@router.get("/static/{version}/{name}")
async def get_static(version: str, name: str) -> Response:
    """A file beside the pages."""
    file = _files().get(name)
    if file is None:
        raise Problem("not_found", "there is no such file")
    # Another version than ours: another process of a deployment under way asked for it; not to be kept.
    kept = _FOR_EVER if version == file.version else "no-store"
    return Response(file.content, media_type=file.media_type, headers={"Cache-Control": kept})
