"""GraphQL at /graphql: queries and mutations over HTTP, subscriptions over graphql-transport-ws.

`app.py` and `front_end.py` are light and known to the wiring; everything that needs strawberry is behind
`engine.py`, which the integration imports when it starts.
"""
