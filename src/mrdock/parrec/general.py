"""The general information of a PAR file."""

from __future__ import annotations

from dataclasses import dataclass

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class General:
    """The general lines, as attributes in the order of the file; the defaults are what scanners print for nothing.

    Triples are along (ap, fh, rl): to posterior, to the head, to the left. Flags are 0 or 1.
    """

    patient_name: str = ""
    examination_name: str = ""
    protocol_name: str = ""
    examination_date_time: str = ""
    """As printed: ``2014.02.14 / 09:00:57``."""
    series_type: str = "Image   MRSERIES"
    acquisition_nr: int = 0
    reconstruction_nr: int = 0
    scan_duration_s: float = 0.0
    max_cardiac_phases: int = 1
    max_echoes: int = 1
    max_slices: int = 1
    max_dynamics: int = 1
    max_mixes: int = 1
    patient_position: str = ""
    """In words: ``Head First Supine``."""
    preparation_direction: str = ""
    """In words: ``Anterior-Posterior``."""
    technique: str = ""
    scan_resolution: tuple[int, int] = (0, 0)
    """Along x and y."""
    scan_mode: str = ""
    repetition_time_ms: tuple[float, ...] = (0.0,)
    """One, or as many as there are mixes."""
    fov_mm: Triple = (0.0, 0.0, 0.0)
    water_fat_shift_pixels: float = 0.0
    angulation_deg: Triple = (0.0, 0.0, 0.0)
    off_centre_mm: Triple = (0.0, 0.0, 0.0)
    flow_compensation: int = 0
    presaturation: int = 0
    phase_encoding_velocity_cm_s: Triple = (0.0, 0.0, 0.0)
    mtc: int = 0
    spir: int = 0
    epi_factor: int = 1
    dynamic_scan: int = 0
    diffusion: int = 0
    diffusion_echo_time_ms: float = 0.0
    max_diffusion_values: int = 1
    max_gradient_orients: int = 1
    label_types: int = 0
