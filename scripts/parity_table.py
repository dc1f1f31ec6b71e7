"""Run the parity matrix and print it as docs/parity.md (see `make parity`). Fails when a front-end differs."""

import asyncio
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))

from tests.contract.parity.matrix import platform
from tests.contract.parity.table import DIFFERENT, page


async def main() -> int:
    logging.disable()  # half of the scenarios fail, and would say so
    async with platform() as started:
        text = await page(started)
    print(text, end="")
    return int(f"| {DIFFERENT} |" in text)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
