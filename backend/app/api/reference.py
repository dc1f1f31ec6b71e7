"""The tables of docs/keys.md, made from the code: which role may do what, and which right each route needs.

python -m app.api.reference docs/keys.md      # renews them
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from app.api.access import ROUTES
from app.domain.roles import RIGHTS, ROLES, Right

BEGIN = "<!-- made from the code: begin -->"
END = "<!-- made from the code: end -->"


def tables() -> str:
    roles = [f"| A role may | {' | '.join(ROLES)} |", f"| --- |{' :---: |' * len(ROLES)}", *_rights()]
    routes = ["| Needs the right to | |", "| --- | --- |", *_routes()]
    return "\n".join([*roles, "", *routes])


def renewed(text: str) -> str:
    """`text` with the table between the marks made anew."""
    block = f"{BEGIN}\n\n{tables()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def _rights() -> Iterator[str]:
    for right in Right:
        having = ("yes" if right in RIGHTS[role] else "" for role in ROLES)
        yield f"| {right} | {' | '.join(having)} |"


def _routes() -> Iterator[str]:
    for right in (*Right, None):
        routes = ", ".join(f"`{route}`" for route, needed in ROUTES.items() if needed is right)
        if routes:
            yield f"| {right or 'nothing: it is for everybody, also without a key'} | {routes} |"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")
