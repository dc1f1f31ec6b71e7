"""The audit log: who did what, by page, or whole as a file."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from app.accounts.audit.schemas import AuditFilter, Record
from app.api.rest import openapi
from app.api.rest.context import Context
from app.api.rest.json_response import JSON
from app.api.usage import moment

router = APIRouter(prefix="/v1/audit", tags=["Audit"])

EXPORT_PAGE = 500
_FIELDS = ("id", "at", "actor", "action", "object", "before", "after", "request_id", "front_end")


def asked(
    actor: str | None = None,
    action: str | None = None,
    object: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> AuditFilter:
    """`action`: one, or all of a kind of thing, such as `key.`; times as Unix seconds, as a date or as a time."""
    first, last = (
        None if text is None else moment(text, name) for name, text in (("since", since), ("until", until))
    )
    return AuditFilter(actor=actor, action=action, object=object, since=first, until=last)


Asked = Annotated[AuditFilter, Depends(asked)]


@router.get("", summary="List what was done, the newest first", responses=openapi.told("Record"))
async def list_records(
    context: Context,
    wanted: Asked,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: int | None = None,
) -> Response:
    page = await context.accounts.audit.page(msgspec.structs.replace(wanted, limit=limit, after=after))
    return JSON(
        {
            "object": "list",
            "data": page.records,
            "first_id": page.records[0].id if page.records else None,
            "last_id": page.records[-1].id if page.records else None,
            "has_more": page.has_more,
        }
    )


@router.get("/export", summary="Everything that was done, the oldest first, as a file")
async def export_records(context: Context, wanted: Asked, format: Literal["jsonl", "csv"] = "jsonl") -> Response:
    pages = context.accounts.audit.all(msgspec.structs.replace(wanted, limit=EXPORT_PAGE))
    first: list[Record] = await anext(pages, [])  # without the database: an error, not a file that breaks off
    encode, media_type = _FORMATS[format]
    headers = {"content-disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(_lines(encode, first, pages), media_type=media_type, headers=headers)


async def _lines(encode: Any, first: list[Record], rest: AsyncIterator[list[Record]]) -> AsyncIterator[bytes]:
    yield encode(first, True)
    async for page in rest:
        yield encode(page, False)


def _as_json_lines(records: Iterable[Record], head: bool) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def _as_csv(records: Iterable[Record], head: bool) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    if head:
        rows.writerow(_FIELDS)
    for record in records:
        rows.writerow([_cell(getattr(record, field)) for field in _FIELDS])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Spreadsheets run what begins like a formula: https://owasp.org/www-community/attacks/CSV_Injection"""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


_FORMATS = {"jsonl": (_as_json_lines, "application/x-ndjson"), "csv": (_as_csv, "text/csv; charset=utf-8")}
