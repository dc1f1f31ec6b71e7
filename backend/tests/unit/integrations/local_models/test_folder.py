"""The folder, looked at again and again: what is a model, what it is called, and when it is offered."""

import os
from pathlib import Path

import pytest

from app.integrations.model_platforms.local_models import memory
from app.integrations.model_platforms.local_models.folder import DEEPEST, Candidate, Rejected, candidates
from app.integrations.model_platforms.local_models.gguf_header import read_header
from app.integrations.model_platforms.local_models.registry import DEMO_PATH, Inventory, scan
from tests.servers.demo_checkpoint import write_description, write_safetensors
from tests.unit.integrations.local_models.gguf_bytes import PLAIN, entry, gguf

SOUND = DEMO_PATH.read_bytes()


def look(folder: Path, before: Inventory | None = None) -> Inventory:
    return scan(folder, demo=False, before=before)


def test_a_file_is_offered_once_it_has_stopped_growing(tmp_path: Path) -> None:
    found = look(tmp_path)
    path = tmp_path / "new.gguf"
    # Room is made for it before its bytes come, as some downloaders do.
    path.write_bytes(SOUND[:2000].ljust(len(SOUND), b"\0"))
    found = look(tmp_path, found)
    assert (found.models, found.rejected) == ({}, {})
    path.write_bytes(SOUND)
    found = look(tmp_path, found)
    assert found.models == {}
    found = look(tmp_path, found)
    assert set(found.models) == {"new"}
    path.unlink()
    assert look(tmp_path, found).models == {}


def test_what_is_there_at_the_first_look_is_offered_at_once(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(SOUND)
    assert set(look(tmp_path).models) == {"m"}


def test_a_file_that_is_exchanged_is_another_model(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(SOUND)
    first = look(tmp_path)
    os.utime(path, ns=(1, 1))
    assert look(tmp_path, first).models == {}
    second = look(tmp_path, look(tmp_path, first))
    assert second.models["m"] != first.models["m"]


def test_an_unsound_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.gguf").write_bytes(SOUND[:1000])
    found = look(tmp_path)
    assert "more than its 1000 bytes can hold" in found.rejected["m.gguf"]

    def never(path: Path) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr("app.integrations.model_platforms.local_models.registry.read_header", never)
    assert look(tmp_path, found).rejected == found.rejected


def test_a_checkpoint_is_whole_when_all_of_its_parts_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    write_safetensors(folder, shards=2)
    last = folder / "model-00002-of-00002.safetensors"
    weights = last.read_bytes()
    last.unlink()
    found = look(tmp_path)
    assert found.rejected == {"tuned/model-00001-of-00002.safetensors": "its part 2 of 2 is missing"}
    last.write_bytes(weights[:-1])
    assert "may be cut short" in look(tmp_path).rejected["tuned/model-00001-of-00002.safetensors"]
    last.write_bytes(weights)
    assert set(look(tmp_path).models) == {"tuned"}


def test_no_name_or_link_keeps_the_others_from_being_offered(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(SOUND)
    (tmp_path / "circle.gguf").symlink_to("circle.gguf")
    write_safetensors(tmp_path / "tuned")
    weights = os.fsencode(tmp_path / "tuned" / "model.safetensors")
    os.rename(weights, weights.replace(b"model", b"\xff"))
    found = look(tmp_path)
    assert set(found.models) == {"m"}
    assert found.rejected == {
        "circle.gguf": "it cannot be read: Too many levels of symbolic links",
        "tuned/\\udcff.safetensors": "its name is not UTF-8",
    }


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("m.gguf", "m"),
        ("Qwen 2.5 (0.5B).gguf", "Qwen-2.5-0.5B"),
        ("deep/down/m.GGUF", "m"),
        ("split-00001-of-00003.gguf", "split"),
        ("tuned/model.safetensors", "tuned"),
        ("tuned/model-00001-of-00002.safetensors", "tuned"),
        ("tuned/pytorch_model.bin", "tuned"),
        ("model.safetensors", "model"),
        ("models--org--name/snapshots/0a1b2c/model.safetensors", "org--name"),
        ("...gguf", None),
    ],
)
def test_what_a_model_is_called(tmp_path: Path, path: str, id: str | None) -> None:
    candidate = Candidate(name=path, path=tmp_path / path, root=tmp_path)
    if id is None:
        with pytest.raises(Rejected, match="nothing that could name a model"):
            _ = candidate.id
    else:
        assert candidate.id == id


def test_where_models_are_looked_for(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    deep = "one/two/three/d.gguf"
    places = ["a.gguf", "one/b.pt", deep, "one/two/three/four/c.bin", ".hidden/e.gguf", ".f.gguf", "g.txt"]
    for place in (*(root / each for each in places), outside / "h.gguf"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    (root / "link").symlink_to(outside)
    assert DEEPEST == 4
    assert [each.name for each in candidates(root)] == ["a.gguf", "one/b.pt", deep]


def test_what_only_reads_texts_does_not_write_any(tmp_path: Path) -> None:
    (tmp_path / "ranker.gguf").write_bytes(gguf([*PLAIN, entry("llama.pooling_type", 4)]))
    (tmp_path / "vectors.gguf").write_bytes(gguf([*PLAIN, entry("llama.pooling_type", 1)]))
    found = look(tmp_path)
    assert found.models["ranker"].capabilities == {"rerank"}
    assert found.models["vectors"].capabilities == {"embedding"}


def test_descriptions_must_not_lead_out(tmp_path: Path) -> None:
    write_description(tmp_path / "secret")
    folder = tmp_path / "models"
    write_safetensors(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(tmp_path / "secret" / "tokenizer.json")
    assert look(folder).rejected == {"model.safetensors": "it is a link that leads out of the folder"}


def test_what_a_model_takes_of_memory() -> None:
    header = read_header(DEMO_PATH)
    assert (header.blocks, header.width, header.cached_width, header.vocabulary) == (4, 128, 2 * 2 * 32, 1024)
    one, four = (memory.estimate(header, size=1 << 20, tokens=slots * 1024) for slots in (1, 4))
    assert four - one == 3 * 1024 * 4 * 128 * 2
    assert 1 << 30 < memory.default_budget() < 1 << 50
