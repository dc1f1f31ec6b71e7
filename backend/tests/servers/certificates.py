"""Certificates made on the spot."""

import shutil
import ssl
import subprocess
from pathlib import Path


class Certificate:
    """Self-signed for one host name; `file` is what trusts it."""

    def __init__(self, folder: Path, host: str) -> None:
        self.file, self.key = folder / f"{host}.pem", folder / f"{host}.key"
        subprocess.run(
            (
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
                f" -subj /CN={host} -addext subjectAltName=DNS:{host} -keyout {host}.key -out {host}.pem"
            ).split(),
            cwd=folder,
            check=True,
            capture_output=True,
        )

    def server(self, *, trusted_client: "Certificate | None" = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        if trusted_client is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(trusted_client.file)
        return context

    def copy(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key under names of their own in `folder`, in the place of those that are there."""
        file, key = folder / "shown.pem", folder / "shown.key"
        shutil.copyfile(self.file, file)
        shutil.copyfile(self.key, key)
        return file, key
