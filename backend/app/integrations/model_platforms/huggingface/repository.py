"""What the Hub tells of a repository."""

import msgspec


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """`sha256`: of what is stored apart from git, as all large files are; of others git's own digest, `blob`."""

    name: str
    size: int | None = None
    sha256: str | None = None
    blob: str | None = None


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a listing. `updated`: Unix seconds."""

    id: str
    downloads: int | None = None
    likes: int | None = None
    gated: bool = False
    tags: tuple[str, ...] = ()
    task: str | None = None
    library: str | None = None
    parameters: int | None = None
    context_window: int | None = None
    updated: float | None = None

    @property
    def license(self) -> str | None:
        return next((tag.removeprefix("license:") for tag in self.tags if tag.startswith("license:")), None)

    @property
    def formats(self) -> tuple[str, ...]:
        """Of those that the platform runs or converts."""
        return tuple(each for each in ("gguf", "safetensors") if each in self.tags)


class Repository(Described, frozen=True, kw_only=True):
    """`commit`: what the revision that was asked for stands for now."""

    commit: str
    private: bool = False
    files: tuple[RemoteFile, ...] = ()
