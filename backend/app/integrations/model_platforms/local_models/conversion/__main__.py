"""One conversion: `FOLDER TARGET FILE…`. Its progress, and its outcome, are lines of JSON on standard output.

The target is written under another name and moved when it is whole. Whoever started this ends it by ending the
process; when he himself is gone, the next line that nobody reads ends it.
"""

import json
import sys
from pathlib import Path

from app.integrations.model_platforms.local_models.conversion import safetensors_file, torch_file
from app.integrations.model_platforms.local_models.conversion.config import read_config
from app.integrations.model_platforms.local_models.conversion.files import read_license
from app.integrations.model_platforms.local_models.conversion.plan import plan
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError, Tensor
from app.integrations.model_platforms.local_models.conversion.tokenizer import read_tokenizer
from app.integrations.model_platforms.local_models.conversion.unfinished import unfinished
from app.integrations.model_platforms.local_models.formats import sniff


def main(folder: str, target: str, name: str, *files: str) -> int:
    try:
        convert(Path(folder), Path(target), name, [Path(file) for file in files])
    except ConversionError as error:
        _tell(error=str(error))
    except OSError as error:
        _tell(error=f"a file can't be read or written: {error.strerror}")
    except MemoryError:
        _tell(error="there is too little memory to convert it")
    else:
        _tell(done=True)
        return 0
    return 1


def convert(folder: Path, target: Path, name: str, files: list[Path]) -> None:
    """Raises ConversionError, OSError."""
    config = read_config(folder)
    tokenizer = read_tokenizer(folder, size=config.vocab_size)
    steps = plan(config, _tensors(files))
    # Late, since it brings numpy: what is refused is refused quickly.
    from app.integrations.model_platforms.local_models.conversion import writing

    model = writing.Model(name=name, config=config, tokenizer=tokenizer, steps=steps, license=read_license(folder))
    with unfinished(target) as path:
        if path is not None:
            writing.write_gguf(path, model, lambda fraction: _tell(fraction=round(fraction, 4)))


def _tensors(files: list[Path]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in files:
        reader = torch_file if sniff(path) == "pytorch" else safetensors_file
        for name, tensor in reader.read_tensors(path).items():
            if name in found:
                raise ConversionError(f"two of its files have a tensor '{name[:200]}'")
            found[name] = tensor
    return found


def _tell(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
