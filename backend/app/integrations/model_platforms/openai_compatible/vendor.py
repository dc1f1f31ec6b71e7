"""What one vendor of the OpenAI dialect is like: the columns of the catalogue."""

from typing import Any

import msgspec

from app.integrations.kit.listing import PriceFields
from app.wire.openai_chat.sampling import DEFAULT_PROFILE, Profile


class Counting(msgspec.Struct, frozen=True, kw_only=True):
    """One way of asking a server how many tokens a chat is.

    `path`: where. `answer`: the dotted name of the number in what it says, or of the list whose length it is.
    `fields`: those of the chat that are sent; all, where None. `template`: where the chat is laid out first, as a
    `prompt`; then `text` is the field that takes this prompt, and `constants` go with it.
    """

    path: str
    answer: str
    fields: frozenset[str] | None = None
    template: str | None = None
    text: str = ""
    constants: dict[str, bool] = {}


class Tokenizing(msgspec.Struct, frozen=True, kw_only=True):
    """What a server calls the fields of its /tokenize and /detokenize.

    `text`: what is put into tokens; `back`: what comes back. `special`: whether with those around a text.
    `pieces`: whether with each token as text, where that can be had. `constants` go with every text,
    `back_constants` with every question for one. `template`: where a chat is laid out first, as a `prompt`; where
    None, `chat` are the fields of a chat that are sent, none where it takes no chat.
    """

    text: str
    back: str
    special: str
    pieces: str | None = None
    constants: dict[str, bool] = {}
    back_constants: dict[str, bool] = {}
    template: str | None = None
    chat: frozenset[str] = frozenset()


class Residence(msgspec.Struct, frozen=True, kw_only=True):
    """How a server brings a model into memory and lets it go.

    `load`, `unload`: where it is asked. `named`: the model is named in the question, and the list tells when it is
    done; else all of the server's models are meant, and it is done when the answer comes. `asleep`: where it tells
    whether they are away, and the name of what it says. `needs`: how the server must have been started.
    """

    load: str
    unload: str
    named: bool
    asleep: tuple[str, str] | None = None
    needs: str


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One server or cloud.

    `base_url` is its root, to which `prefix` is added for the API; None where everybody's is another, which
    `base_url_env` may name. A path that begins with "/" counts from the root, any other from the API.

    `api_key_env`: set for a cloud, which serves nobody without a key. `models_open`: it lists its models without
    a key too, so a list says nothing about the key. `health_path`: a cheap sign of life, or the list of models.
    `facts_path`: what a server with one model tells of it. `context_fields`: dotted names of the context length,
    first in the facts and then in the model's record; the first one that holds a number counts. `offers_listed`:
    what it lists is what can be asked for. `refused`: fields that each of its models answers with an error; they
    are left out, or renamed, see kit.refused. `profile`: how a request is put that came in another format.
    `responses`: it keeps OpenAI's Responses API whole, so that requests are handed on to it; from one that has a
    part of it they are translated. `reranks`: it has /rerank. `chat`: it has chat completions; if not, Responses
    is all it speaks. `pooled`: an open connection that idles costs the server nothing. `counting`: ways of asking
    how many tokens a chat is, the best first. `tokenizing`: it tells which they are. `residence`: it loads and
    unloads models when asked. `prices`: where its list of models tells what they cost. `defaults`: fields that a
    chat gets where it lacks them.
    """

    kind: str
    title: str
    base_url: str | None = None
    base_url_env: str | None = None
    prefix: str = "/v1"
    api_key_env: str | None = None
    models_path: str = "models"
    models_open: bool = False
    health_path: str = "models"
    facts_path: str | None = None
    context_fields: tuple[str, ...] = ()
    offers_listed: bool = True
    refused: frozenset[str] = frozenset()
    profile: Profile = DEFAULT_PROFILE
    pooled: bool = True
    chat: bool = True
    completions: bool = True
    embeddings: bool = True
    reranks: bool = False
    responses: bool = False
    counting: tuple[Counting, ...] = ()
    tokenizing: Tokenizing | None = None
    residence: Residence | None = None
    prices: PriceFields | None = None
    defaults: dict[str, Any] = {}

    @property
    def shows_wrong_key(self) -> bool:
        """Whether a wrong key is noticed before the first request."""
        return not self.models_open or self.health_path != self.models_path

    def locate(self, path: str) -> str:
        """`path` as it counts from the root."""
        return path if path.startswith("/") else f"{self.prefix}/{path}"
