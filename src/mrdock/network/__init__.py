"""The DICOM upper layer and the storage service: associations accepted and requested, images moved, nothing kept.

`pdu`, `dimse` and `association` are pure: bytes in, events and bytes out. `negotiation` wraps pynetdicom's code.
`server` and `requester` are the socket edges.
"""
