"""Every bound of the GraphQL front-end in one place. The size and depth of a body and of a frame are
settings of the whole platform."""

DOCUMENT_BYTES = 64 * 1024
"""Of the GraphQL document. Long prompts belong in variables, which count towards the body alone."""

TOKENS = 1000
DEFINITIONS = 40
"""Operations and fragments together."""

DEPTH = 10
"""Selection sets within each other; fragments, inline or not, count where they are spread."""

INTROSPECTION_DEPTH = 24
FIELDS = 250
"""After every fragment has been spread. The introspection that tools send has 230."""

ALIASES = 20
DIRECTIVES = 20
COST = 2000
"""A field costs 1, one of WEIGHTS more; a list multiplies what stands below it."""

LIST_FACTOR = 10
"""How many items a list is taken to have, where no argument says so."""

WEIGHTS = {
    **dict.fromkeys(("generateText", "generate", "loadModel", "pinModel", "pullModel", "searchModels"), 200),
    **dict.fromkeys(("unloadModel", "unpinModel", "deleteModel", "createKey"), 50),
    **dict.fromkeys(("setTier", "deleteTier", "setBudget", "deleteBudget"), 50),
}
COUNT_ARGUMENTS = frozenset({"last", "first"})
"""Arguments that say how many items a list has."""

REQUESTS = 100
"""The most that `requests(last:)` gives."""

LISTED = 100
"""The most that `keys(first:)` and `auditLog(first:)` give."""

USAGE_ROWS = 1000
"""The most that `usage(first:)` gives."""

INIT_SECONDS = 10.0
"""A socket's time to say connection_init."""

OPERATIONS = 32
"""Running at once on one socket."""

ID_CHARACTERS = 128
SHORTEST_INTERVAL = 0.1
"""Seconds between two snapshots of the metrics stream."""
