"""What a listener accepts of an association request: pynetdicom decides and encodes (PS3.8 sections 7.1 and 9.3).

pynetdicom is imported with this module, not later: a dock forks its workers, and what is imported before that they
share, its memory as well as the threads that numpy starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pydicom.uid import UID
from pynetdicom import pdu_primitives as parts
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from mrdock.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mrdock.dicom.sop_classes import VERIFICATION
from mrdock.network.association import Context
from mrdock.network.negotiation import APPLICATION_CONTEXT, Request, is_strict

_NO_SYNTAX: Final = "1.2.3"
_NO_CLASS: Final = "1.2.840.10008.0"  # never accepted, under whatever rule for unknown classes


class Acceptable:
    """The abstract and transfer syntaxes of one listener."""

    def __init__(
        self,
        abstract_syntaxes: Iterable[str],
        transfer_syntaxes: Sequence[str],
        unknown: Callable[[str], bool] | None = None,
    ) -> None:
        """``transfer_syntaxes`` in order of preference; ``unknown`` judges abstract syntaxes that are not listed."""
        self._transfer = list(transfer_syntaxes)
        self._contexts = {uid: build_context(uid, self._transfer) for uid in abstract_syntaxes}
        self._contexts[VERIFICATION] = build_context(VERIFICATION, self._transfer[:2])
        self._unknown = unknown

    def negotiate(self, request: Request) -> tuple[dict[int, Context], list[PresentationContext]]:
        """The accepted contexts by id, and pynetdicom's results for `encode_accept`."""
        proposed = []
        supported = {}
        for proposal in request.proposals:
            context = PresentationContext()
            context.context_id = proposal.context_id
            # pynetdicom warns of what is no UID; such a name is none of ours, so one that is never accepted will do
            name = proposal.abstract_syntax if is_strict(proposal.abstract_syntax) else _NO_CLASS
            context.abstract_syntax = UID(name)
            context.transfer_syntax = [uid for uid in proposal.transfer_syntaxes if uid in self._transfer] or [
                _NO_SYNTAX
            ]
            proposed.append(context)
            known = self._contexts.get(name)
            if known is None and name != _NO_CLASS and self._unknown is not None and self._unknown(name):
                known = build_context(name, self._transfer)
            if known is not None:
                supported[name] = known
        results, _ = negotiate_as_acceptor(proposed, list(supported.values()))
        accepted = {
            number: Context(number, str(result.abstract_syntax), str(result.transfer_syntax[0]))
            for result in results
            if result.result == 0 and (number := result.context_id) is not None
        }
        return accepted, results


def encode_accept(request: Request, results: Sequence[PresentationContext], longest: int) -> bytes:
    """The A-ASSOCIATE-AC PDU; ``longest`` is the longest PDU body we take."""
    length = parts.MaximumLengthNotification()
    length.maximum_length_received = longest
    implementation = parts.ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = parts.ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    primitive = parts.A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title = request.calling or "?"
    primitive.called_ae_title = request.called or "?"
    primitive.user_information = [length, implementation, version]
    if request.granted != 1:
        operations = parts.AsynchronousOperationsWindowNegotiation()
        operations.maximum_number_operations_invoked = request.granted
        operations.maximum_number_operations_performed = 1
        primitive.user_information = [length, implementation, operations, version]
    primitive.result = 0
    primitive.result_source = 1
    primitive.presentation_context_definition_results_list = list(results)
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(primitive)
    encoded = bytes(pdu.encode())
    return encoded[:10] + request.titles + encoded[10 + len(request.titles) :]
