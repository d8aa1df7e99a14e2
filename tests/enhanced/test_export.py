"""What `EnhancedImage.save` writes, read back by others."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import scipy.io

import mrdock
from mrdock.enhanced import extras
from mrdock.enhanced.export import WRITERS
from mrdock.enhanced.image import EnhancedImage
from mrdock.errors import ChoiceError, MissingPackageError, PlaceError
from tests.builders import StudyIdentity, enhanced_mr


@pytest.fixture
def image(tmp_path: Path) -> EnhancedImage:
    path = tmp_path / "made.dcm"
    enhanced_mr(StudyIdentity(), slices=3, dynamics=2, rows=4, columns=5, types=("M", "P")).save_as(path)
    return mrdock.dicomeread(str(path))


def test_npy(image: EnhancedImage, tmp_path: Path) -> None:
    image.save(str(tmp_path / "out.npy"))
    back = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert back.flags.c_contiguous
    assert np.array_equal(back, image.data)
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == image.shape


def test_npz(image: EnhancedImage, tmp_path: Path) -> None:
    image.save(str(tmp_path / "out.npz"))
    with np.load(tmp_path / "out.npz", allow_pickle=False) as back:
        assert np.array_equal(back["data"], image.data)
        assert back["dims"].tolist() == list(image.dims)
        assert np.array_equal(back["items"], image.items)
        assert back["coord_image_type_mr"].tolist() == ["M", "P"]
        assert back["labels_temporal_position_index"].tolist() == ["1", "2"]
        assert np.array_equal(back["affine"], image.affine)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_nifti(image: EnhancedImage, tmp_path: Path, ending: str) -> None:
    image.save(str(tmp_path / f"out.{ending}"))
    back = nibabel.load(tmp_path / f"out.{ending}")
    assert back.shape == (5, 4, 3, 2, 2)
    assert np.array_equal(np.asarray(back.dataobj), image.data.transpose(1, 0, 2, 3, 4))


@pytest.mark.parametrize("order", [None, "1,2,4,5,3", "2,1,3,5,4"])
@pytest.mark.parametrize("scale", ["float", "stored"])
def test_nifti_is_what_nibabel_writes(
    image: EnhancedImage, tmp_path: Path, order: str | None, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrdock.enhanced.export._BLOCK", 17)
    monkeypatch.setattr("mrdock.enhanced.export._WRITE_OUT", 50)
    other = mrdock.dicomeread(image.path, scale=scale, order=order)
    monkeypatch.setattr("mrdock.enhanced.export._CHUNK", 200)
    other.save(str(tmp_path / "ours.nii"))
    other.to_nifti().to_filename(tmp_path / "theirs.nii")
    assert (tmp_path / "ours.nii").read_bytes() == (tmp_path / "theirs.nii").read_bytes()
    unread = EnhancedImage(other.plan)
    unread.save(str(tmp_path / "streamed.nii"))
    assert not unread.is_read
    assert (tmp_path / "streamed.nii").read_bytes() == (tmp_path / "theirs.nii").read_bytes()


def test_errors_name_the_file_that_was_asked_for(image: EnhancedImage, tmp_path: Path) -> None:
    for ending in WRITERS:
        path = tmp_path / "none" / f"out{ending}"
        with pytest.raises(OSError) as caught:  # noqa: PT011  # which one it is depends on the writer
            image.save(str(path))
        assert caught.value.filename == str(path)
        assert "part" not in str(caught.value)
        (tmp_path / "there").mkdir(exist_ok=True)
        path = tmp_path / "there" / f"out{ending}"
        path.mkdir()
        (path / "precious").touch()
        with pytest.raises(PlaceError, match="is a directory"):
            image.save(str(path), force=True)
        assert (path / "precious").exists()
    assert sorted(each.name for each in (tmp_path / "there").iterdir()) == sorted(f"out{each}" for each in WRITERS)


def test_mat(image: EnhancedImage, tmp_path: Path) -> None:
    image.save(str(tmp_path / "out.mat"))
    back = scipy.io.loadmat(tmp_path / "out.mat")
    assert np.array_equal(back["data"], image.data)
    assert [str(each[0]) for each in back["MatlabNames"][0]] == list(image.matlab_names)
    assert [str(each[0]) for each in back["MatlabIndexes"][0][4][0]] == ["M", "P"]
    assert np.array_equal(back["MatlabItems"], image.items)


@pytest.mark.parametrize("ending", list(WRITERS))
def test_nothing_is_overwritten_without_force(image: EnhancedImage, tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"out{ending}"
    image.save(str(path))
    before = sorted(folder.rglob("*"))
    with pytest.raises(PlaceError, match="exists already"):
        image.save(str(path))
    image.save(str(path), force=True)
    assert sorted(folder.rglob("*")) == before
    assert os.listdir(folder) == [path.name]


def test_a_failure_leaves_nothing_behind(image: EnhancedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    merged = mrdock.dicomeread(image.path, combine="temporal_position_index")
    with pytest.raises(ChoiceError):
        merged.save(str(folder / "out.nii"))
    monkeypatch.setattr("mrdock.enhanced.export._MOST_MATLAB", 10)
    with pytest.raises(ChoiceError, match="a mat file holds"):
        image.save(str(folder / "out.mat"))
    assert os.listdir(folder) == []


def test_other_endings(image: EnhancedImage, tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match=r"ends with \.npy, \.npz"):
        image.save(str(tmp_path / "out.png"))


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras, "import_module", gone)
    with pytest.raises(MissingPackageError, match=r"needs nibabel, .* pip install 'mrdock\[nifti\]'"):
        extras.needed("nibabel")


def test_every_package_is_in_its_extra() -> None:
    import tomllib

    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for package, extra in extras.EXTRAS.items():
        assert any(line.startswith(package) for line in project["optional-dependencies"][extra])
