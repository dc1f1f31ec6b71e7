"""GET /v1/usage: what was asked and what it cost, grouped as wanted, as JSON or CSV."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from app.accounts.usage.report import DIMENSIONS, FIGURES, Report, UsageQuery
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.api.usage import dimensions, filters, period, usage
from app.domain.errors import InvalidRequest
from app.domain.roles import Right

router = APIRouter(prefix="/v1/usage", tags=["Usage"])

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Asked(BaseModel):
    """Any group but day and hour is a filter, too."""

    model_config = ConfigDict(extra="forbid")

    since: str | None = Field(
        None, alias="from", description="A date, a time or Unix seconds; 30 days before `to` without it."
    )
    to: str | None = Field(None, description="The same; now without it.")
    group_by: str = Field("", description=f"Any of {', '.join(DIMENSIONS)}, with commas between.")
    principal: str | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    integration: str | None = None
    front_end: str | None = None
    limit: int = Field(1000, description="Rows of a page.")
    after: str | None = Field(None, description="The `next` of the page before.")
    format: Literal["json", "csv"] | None = Field(None, description="As the Accept header without it.")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        """Raises InvalidRequest: an unknown one is told with those that there are."""
        names = [field.alias or name for name, field in cls.model_fields.items()]
        for name in given:
            if name not in names:
                message = f"'{name[:64]}' is no parameter here; there are {', '.join(names)}."
                raise InvalidRequest(message, param=name[:64], code="invalid_type")
        return given

    def query(self) -> UsageQuery:
        """Raises InvalidRequest."""
        since, until = period(self.since, self.to)
        return UsageQuery(
            since=since,
            until=until,
            group_by=dimensions(name.strip() for name in self.group_by.split(",") if name.strip()),
            where=filters(self.model_dump()),
            limit=self.limit,
            after=self.after,
        )


@router.get(
    "",
    summary="What was asked, and what it cost",
    responses={200: {"description": "Sums by group.", "content": {"application/json": {}, "text/csv": {}}}},
)
async def told(request: Request, context: Context, caller: Caller, asked: Annotated[Asked, Query()]) -> Response:
    """Your own usage, or everybody's for operators. The hours that `from` and `to` fall into count whole.

    `complete` tells whether all that was recorded here is in.
    """
    report = await usage(context, asked.query(), caller)
    wants_csv = "text/csv" in request.headers.get("accept", "")
    if asked.format == "csv" or (asked.format is None and wants_csv):
        return _csv(report)
    return JSON(_body(report, all_told=caller.may(Right.SEE_REQUESTS)))


def _body(report: Report, *, all_told: bool) -> dict[str, Any]:
    """`all_told`: to somebody who may see everybody's requests."""
    return {
        "object": "usage",
        "from": _time(report.since),
        "to": _time(report.until),
        "group_by": report.group_by,
        "data": [
            {**dict(zip(report.group_by, group, strict=True)), **msgspec.structs.asdict(sums)}
            for group, sums in report.rows
        ],
        "next": report.next,
        "complete": report.complete,
        **({"waiting": report.waiting} if all_told else {}),
    }


def _csv(report: Report) -> Response:
    """A page as it stands: where there is a next one, the header `x-next` tells how it is asked for."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*report.group_by, *FIGURES])
    for group, sums in report.rows:
        writer.writerow([*_plain(group), *(_number(value) for value in msgspec.structs.astuple(sums))])
    headers = {"content-disposition": 'attachment; filename="usage.csv"'}
    if report.next is not None:
        headers["x-next"] = report.next
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _plain(words: Iterable[str]) -> Iterable[str]:
    """A model's name may be a caller's own text, and must be no formula to a spreadsheet."""
    return (f"'{word}" if word.startswith(_FORMULA) else word for word in words)


def _number(value: float) -> str:
    """Without an exponent."""
    return str(value) if isinstance(value, int) else f"{value:.9f}".rstrip("0").rstrip(".")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
