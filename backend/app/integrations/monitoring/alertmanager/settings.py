"""What an operator may set for Alertmanager."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app.core.http import TransportSettings
from app.integrations.kit.settings import NO_KEY, ApiKey, BaseUrl, HeaderLines

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _label_names(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a label")
    return labels


class AlertmanagerSettings(BaseModel):
    """`url`: with the path below which its API is, if any. `filter`: matchers, as amtool has them, of the alerts
    that are shown; none for all. `push`: tell it of the platform's own alerts, where no Prometheus does; of an
    integration that has been down for `push_after` seconds, and with these `labels` besides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: BaseUrl = "http://localhost:9093"
    api_key: ApiKey = SecretStr(NO_KEY)
    headers: HeaderLines = {}
    timeout: float = Field(default=5, gt=0)
    ca_file: str | None = None
    verify: bool = True
    filter: tuple[str, ...] = ('alertname=~"LLM.+"',)
    push: bool = False
    push_after: float = Field(default=60, ge=0)
    labels: Annotated[dict[str, str], AfterValidator(_label_names)] = {}

    def request_headers(self) -> dict[str, str]:
        key = self.api_key.get_secret_value()
        shown = {} if key in {"", NO_KEY} else {"authorization": f"Bearer {key}"}
        return {**shown, **self.headers}

    def transport(self) -> TransportSettings:
        return TransportSettings(
            connect_timeout=self.timeout,
            first_byte_timeout=self.timeout,
            idle_timeout=self.timeout,
            verify=self.verify,
            ca_file=self.ca_file,
        )
