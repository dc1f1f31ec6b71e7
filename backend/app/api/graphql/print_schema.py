"""`python -m app.api.graphql.print_schema` writes schema.graphql beside this file; a test holds it current."""

from pathlib import Path

from app.api.graphql.schema import build_schema

FILE = Path(__file__).with_name("schema.graphql")


def text() -> str:
    return build_schema().as_str() + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
