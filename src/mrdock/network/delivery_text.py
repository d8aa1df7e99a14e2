"""What became of the files that were sent: in some lines for people, and as one record for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mrdock.network.delivery import Outcome, name_of
from mrdock.network.outgoing import ImageFile
from mrdock.network.policy import Sent


def summary(outcome: Outcome) -> list[str]:
    """The run in some lines, the most important first."""
    stored, failed, unsent = outcome.stored, outcome.failed, outcome.unsent
    every = len(outcome.found.images)
    lines = ["no images to send"]
    if every:
        lines = [f"{len(stored):,} of {every:,} images sent to {name_of(outcome.peer)}{_rates(outcome, len(stored))}"]
    if outcome.before:
        lines.append(f"  {len(outcome.before):,} were there already, as the ledger says")
    lines += _counted("changed", (sent.note for sent in stored if sent.note))
    lines += _counted("with a warning", (sent.words for sent in stored if sent.words))
    again = [sent for sent in stored if sent.tries > 1]
    lines += _counted("went through only after more tries", (sent.earlier[-1] for sent in again if sent.earlier))
    lines += _counted("failed", (sent.words for sent in failed))
    if unsent:
        lines.append(f"  {len(unsent):,} not sent")
    for count, one, several in (
        (len(outcome.found.failures), "file cannot be sent", "files cannot be sent"),
        (len(outcome.found.left), "left: only classic images are sent", ""),
        (len(outcome.found.others), "other file is no DICOM image", "other files are no DICOM images"),
        (outcome.found.below, "directory below needs -R", "directories below need -R"),
    ):
        if count:
            lines.append(f"  {count:,} {one if count == 1 else several or one}")
    if outcome.associations > 1:
        lines.append(f"  {outcome.associations:,} associations were opened")
    return lines


def _rates(outcome: Outcome, count: int) -> str:
    if not count or outcome.seconds <= 0:
        return ""
    seconds = outcome.seconds
    return f" in {seconds:.1f} s: {count / seconds:,.1f} files/s, {outcome.size / seconds / 1e6:,.1f} MB/s"


def _counted(what: str, reasons: Iterable[str]) -> list[str]:
    counts = Counter(reasons)
    lines = [f"  {counts.total():,} {what}"] if counts else []
    if len(counts) == 1:
        return [f"{lines[0]}: {next(iter(counts))}"]
    return lines + [f"    {count:,}: {reason}" for reason, count in counts.most_common()]


def report(outcome: Outcome) -> dict[str, Any]:
    """The run for programs: the sums, and one record for each file."""
    found, peer, seconds = outcome.found, outcome.peer, outcome.seconds
    files = [_record(sent) for sent in list(outcome.results.values())]
    files += [_bare(str(item.path), "already sent", item) for item in outcome.before]
    files += [_bare(str(item.path), "not sent", item, outcome.refused) for item in outcome.unsent]
    files += [_bare(path, "failed", None, why) for path, why in found.failures]
    files += [_bare(path, "left", None, why) for path, why in found.left]
    files += [_bare(path, "no DICOM", None, why) for path, why in found.others]
    return {
        "destination": {
            "host": peer.host,
            "port": peer.port,
            "called": peer.called,
            "calling": peer.calling,
            "tls": peer.tls is not None,
        },
        "sent": len(outcome.stored),
        "warnings": sum(bool(sent.words) for sent in outcome.stored),
        "failed": len(outcome.failed) + len(found.failures),
        "not_sent": len(outcome.unsent),
        "already_sent": len(outcome.before),
        "left": len(found.left),
        "no_dicom": len(found.others),
        "interrupted": outcome.interrupted,
        "problem": outcome.refused or None,
        "associations": outcome.associations,
        "bytes": outcome.size,
        "seconds": round(seconds, 3),
        "files": files,
    }


def _bare(path: str, state: str, item: ImageFile | None = None, reason: str = "") -> dict[str, Any]:
    return {
        "path": path,
        "state": state,
        "sop_class_uid": item.meta.sop_class if item else None,
        "sop_instance_uid": item.meta.sop_instance if item else None,
        "bytes": item.size if item else None,
        "status": None,
        "reason": reason or None,
        "changed": None,
        "tries": 0,
        "earlier": [],
    }


def _record(sent: Sent) -> dict[str, Any]:
    return _bare(str(sent.item.path), "sent" if sent.stored else "failed", sent.item, sent.words) | {
        "status": None if sent.status is None else f"0x{sent.status:04X}",
        "changed": sent.note or None,
        "tries": sent.tries,
        "earlier": list(sent.earlier),
    }
