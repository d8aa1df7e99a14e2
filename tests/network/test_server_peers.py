"""The server with real clients: DCMTK's and pynetdicom's; what arrives is what was sent, byte for byte."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import UID
from pynetdicom import AE

from mrdock.dicom.part10 import decode_file_meta
from mrdock.network.handler import Limits, Outcome
from tests.builders import PRIVATE_MR_EXAMCARD, StudyIdentity, bulk_classic, classic_fmri, enhanced_mr, raw_data, write
from tests.conftest import NeedTool

from .messages import BIG, EXPLICIT, IMPLICIT, MR, VERIFICATION
from .serving import Image, Memory, Running, serving

peer = pytest.mark.peer
WHO = StudyIdentity("network")


@pytest.fixture
def handler() -> Memory:
    return Memory()


@pytest.fixture
def running(handler: Memory) -> Iterator[Running]:
    with serving(handler) as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A classic series, an Enhanced file and a Raw Data file."""
    images = [*classic_fmri(WHO, slices=2, dynamics=2), enhanced_mr(WHO), raw_data(WHO)]
    return [Path(path) for path in write(images, tmp_path_factory.mktemp("sent"))]


@pytest.fixture(scope="module")
def dcmtk_files(files: list[Path], need_tool: NeedTool, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same files as DCMTK's senders encode them anyway: sequences of explicit length."""
    folder = tmp_path_factory.mktemp("encoded")
    for path in files:
        run(need_tool("dcmconv"), "+te", "+e", path, folder / path.name)
    return sorted(folder.iterdir())


def sent(path: Path) -> tuple[str, str, bytes]:
    """SOP class, instance and data set of a file."""
    data = path.read_bytes()
    meta = decode_file_meta(data)
    return meta.sop_class, meta.sop_instance, data[meta.data_set_at :]


def arrived(image: Image) -> tuple[str, str, bytes]:
    assert image.context.abstract_syntax == image.command.sop_class
    return image.command.sop_class, image.command.sop_instance, image.data


def run(program: str, *arguments: str | Path) -> None:
    done = subprocess.run([program, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- DCMTK ----


@peer
@pytest.mark.parametrize("options", [[], ["-pdu", "4096"], ["-pts", "38", "-ppc", "128"], ["--repeat", "20"]])
def test_echoscu(running: Running, handler: Memory, need_tool: NeedTool, options: list[str]) -> None:
    run(need_tool("echoscu"), "-aec", "MRDOCK", *options, "127.0.0.1", str(running.port))
    assert handler.how_it_ended() == "released"
    assert (handler.opens[0].calling, handler.opens[0].host) == ("ECHOSCU", "127.0.0.1")


@peer
def test_echoscu_that_aborts(running: Running, handler: Memory, need_tool: NeedTool) -> None:
    run(need_tool("echoscu"), "-aec", "MRDOCK", "--abort", "127.0.0.1", str(running.port))
    assert handler.how_it_ended() == "aborted by the peer"


@peer
@pytest.mark.parametrize("options", [[], ["-pdu", "4096", "--max-send-pdu", "4096"], ["-R"], ["-xe"]])
def test_storescu(
    running: Running, handler: Memory, need_tool: NeedTool, dcmtk_files: list[Path], options: list[str]
) -> None:
    run(need_tool("storescu"), "-aec", "MRDOCK", *options, "127.0.0.1", str(running.port), *dcmtk_files)
    assert handler.how_it_ended() == "released"
    assert sorted(map(arrived, handler.images)) == sorted(map(sent, dcmtk_files))
    assert {image.context.transfer_syntax for image in handler.images} == {EXPLICIT}


@peer
@pytest.mark.parametrize(("option", "syntax"), [("-xi", IMPLICIT), ("-xb", EXPLICIT)])
def test_storescu_sends_in_the_syntax_that_we_prefer(
    running: Running, handler: Memory, need_tool: NeedTool, dcmtk_files: list[Path], option: str, syntax: str
) -> None:
    """`-xi` proposes Implicit VR only; `-xb` all three in one context, Big Endian first, and can convert."""
    run(need_tool("storescu"), "-aec", "MRDOCK", option, "-R", "127.0.0.1", str(running.port), dcmtk_files[0])
    (image,) = handler.images
    assert image.context.transfer_syntax == syntax
    assert image.command.sop_instance == sent(dcmtk_files[0])[1]


@peer
@pytest.mark.parametrize("options", [[], ["--max-send-pdu", "4096"], ["--decompress-never"]])
def test_dcmsend(
    running: Running, handler: Memory, need_tool: NeedTool, dcmtk_files: list[Path], options: list[str]
) -> None:
    run(need_tool("dcmsend"), "-aec", "MRDOCK", *options, "127.0.0.1", str(running.port), *dcmtk_files)
    handler.until(lambda: bool(handler.ends))
    assert sorted(map(arrived, handler.images)) == sorted(map(sent, dcmtk_files))


@peer
def test_storescu_hears_of_a_failure(
    running: Running, handler: Memory, need_tool: NeedTool, dcmtk_files: list[Path]
) -> None:
    handler.outcome = Outcome(0xA700, "the disk is full")
    command = [need_tool("storescu"), "-v", "-aec", "MRDOCK", "127.0.0.1", str(running.port), str(dcmtk_files[0])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "Refused: OutOfResources" in done.stdout + done.stderr


# ---- pynetdicom ----


def associate(port: int, *contexts: tuple[str, list[str]], called: str = "MRDOCK", longest: int = 16382) -> AE:
    ae = AE("SCANNER")
    ae.maximum_pdu_size = longest
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 20
    for name, syntaxes in contexts:
        ae.add_requested_context(name, syntaxes)
    return ae


def test_pynetdicom_echoes(running: Running) -> None:
    ae = associate(running.port, (VERIFICATION, [IMPLICIT, EXPLICIT]))
    association = ae.associate("127.0.0.1", running.port, ae_title="MRDOCK")
    assert association.is_established
    assert association.acceptor.maximum_length == Limits().longest_pdu
    for number in (1, 2, 65535):
        assert association.send_c_echo(number).Status == 0
    association.release()
    assert association.is_released


@pytest.mark.parametrize("longest", [0, 4096, 16382, 1 << 20])
def test_pynetdicom_stores(running: Running, handler: Memory, files: list[Path], longest: int) -> None:
    classes = dict.fromkeys(sent(path)[0] for path in files)
    ae = associate(running.port, *((name, [EXPLICIT]) for name in classes), longest=longest)
    association = ae.associate("127.0.0.1", running.port, ae_title="MRDOCK")
    assert association.is_established
    for path in files:
        assert association.send_c_store(path).Status == 0
    association.release()
    assert [arrived(image) for image in handler.images] == [sent(path) for path in files]


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG])
def test_pynetdicom_stores_in_other_syntaxes(running: Running, handler: Memory, syntax: str) -> None:
    (image,) = classic_fmri(WHO, slices=1, dynamics=1)
    image.file_meta.TransferSyntaxUID = UID(syntax)
    image = decoded(image)
    ae = associate(running.port, (MR, [syntax]))
    association = ae.associate("127.0.0.1", running.port, ae_title="MRDOCK")
    assert association.send_c_store(image).Status == 0
    association.release()
    assert handler.images[0].context.transfer_syntax == syntax
    assert image.SOPInstanceUID.encode() in handler.images[0].data


def decoded(image: FileDataset) -> FileDataset:
    """The image with the elements decoded that another byte order changes."""
    found = pydicom.Dataset()
    for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00280010, 0x00280011):
        found.add(image[tag])
    syntax = image.file_meta.TransferSyntaxUID
    kind = {"is_implicit_VR": syntax.is_implicit_VR, "is_little_endian": syntax.is_little_endian}
    return FileDataset("", found, preamble=bytes(128), file_meta=image.file_meta, **kind)


def test_a_private_class_is_accepted(running: Running, handler: Memory) -> None:
    card = raw_data(WHO)
    card.SOPClassUID = UID(PRIVATE_MR_EXAMCARD)
    card.file_meta.MediaStorageSOPClassUID = UID(PRIVATE_MR_EXAMCARD)
    ae = associate(running.port, (PRIVATE_MR_EXAMCARD, [EXPLICIT]))
    association = ae.associate("127.0.0.1", running.port, ae_title="MRDOCK")
    assert association.send_c_store(card).Status == 0
    association.release()
    assert handler.images[0].command.sop_class == PRIVATE_MR_EXAMCARD


def test_pynetdicom_hears_statuses_and_comments(running: Running, handler: Memory, files: list[Path]) -> None:
    ae = associate(running.port, (MR, [EXPLICIT]))
    association = ae.associate("127.0.0.1", running.port, ae_title="MRDOCK")
    for status, comment in ((0xA700, "the disk is full"), (0xC000, ""), (0xB000, "coerced"), (0xA900, "x" * 100)):
        handler.outcome = Outcome(status, comment)
        answer = association.send_c_store(files[0])
        assert (answer.Status, answer.get("ErrorComment") or "") == (status, comment[:64])
    association.release()


def test_pynetdicom_learns_why_it_is_rejected(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "pynetdicom")
    ae = associate(running.port, (MR, [EXPLICIT]))
    association = ae.associate("127.0.0.1", running.port, ae_title="WRONG")
    assert association.is_rejected
    assert association.acceptor.primitive is not None
    assert (association.acceptor.primitive.result, association.acceptor.primitive.diagnostic) == (1, 7)


def test_many_senders_at_once(handler: Memory, need_tool: NeedTool, tmp_path: Path) -> None:
    """Eight at once, each with its own images: none is lost or mixed up."""
    groups = []
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        for count, data in enumerate(bulk_classic(10, StudyIdentity(f"sender {number}"))):
            (folder / f"{count}.dcm").write_bytes(data)
        groups.append(sorted(folder.iterdir()))
    storescu = need_tool("storescu")
    with serving(handler) as running:
        clients = [
            subprocess.Popen([storescu, "-aec", "MRDOCK", "127.0.0.1", str(running.port), *map(str, group)])
            for group in groups
        ]
        assert [client.wait(60) for client in clients] == [0] * 8
    assert sorted(map(arrived, handler.images)) == sorted(sent(path) for group in groups for path in group)
    assert {how for _, how in handler.ends} == {"released"}
    assert len({caller.association for caller in handler.opens}) == 8
