"""What an operator may set for Grafana."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.core.http import TransportSettings
from app.integrations.kit.settings import NO_KEY, ApiKey, BaseUrl, HeaderLines


class GrafanaSettings(BaseModel):
    """`api_key`: the token of a service account. `folder`: the title of the dashboards' folder. `prometheus_url`:
    where Grafana finds Prometheus, for a data source that is made too; without it the dashboards take whichever
    there is. `ca_file`, `verify`: of Grafana's certificate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: BaseUrl = "http://localhost:3000"
    api_key: ApiKey = SecretStr(NO_KEY)
    headers: HeaderLines = {}
    folder: str = Field(default="LLM Platform", min_length=1, max_length=189)
    prometheus_url: BaseUrl | None = None
    timeout: float = Field(default=10, gt=0)
    ca_file: str | None = None
    verify: bool = True

    def request_headers(self) -> dict[str, str]:
        key = self.api_key.get_secret_value()
        shown = {} if key in {"", NO_KEY} else {"authorization": f"Bearer {key}"}
        return {"accept": "application/json", **shown, **self.headers}

    def transport(self) -> TransportSettings:
        return TransportSettings(
            connect_timeout=self.timeout,
            first_byte_timeout=self.timeout,
            idle_timeout=self.timeout,
            verify=self.verify,
            ca_file=self.ca_file,
        )
