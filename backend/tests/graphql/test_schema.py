"""The schema as it is written down for those who generate clients from it."""

from graphql import GraphQLObjectType, build_schema

from app.api.graphql.print_schema import FILE, text


def test_the_written_schema_is_current() -> None:
    assert FILE.read_text("utf-8") == text(), "run: python -m app.api.graphql.print_schema"


def test_what_people_rely_on_is_there() -> None:
    schema = build_schema(FILE.read_text("utf-8"))
    promised = {
        "Query": {"models", "requests", "metrics", "integrations"},
        "Mutation": {"generateText", "loadModel", "unloadModel"},
        "Subscription": {"modelStatusUpdates", "metrics", "generate"},
        "Model": {"id", "name", "provider", "status", "capabilities"},
        "GeneratedText": {"id", "text", "tokens", "cost"},
        "ModelStatusUpdate": {"id", "status"},
    }
    for name, fields in promised.items():
        found = schema.type_map[name]
        assert isinstance(found, GraphQLObjectType)
        assert fields <= found.fields.keys()
