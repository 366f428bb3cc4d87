"""Names of body parts outside of the upper extremity."""

from __future__ import annotations

# DICOM's other body parts (PS3.16 Annex L) and their names in data sets.
OTHER_REGIONS = frozenset(
    {
        "ABDOMEN", "ANKLE", "CALCANEUS", "CHEST", "CSPINE", "FEMUR", "FIBULA", "FOOT",
        "HEAD", "HIP", "HIP_LEG", "JAW", "KNEE", "LEG", "LSPINE", "NECK", "OTHER",
        "PATELLA", "PELVIS", "RIB", "SKULL", "SPINE", "STERNUM", "THIGH", "TIBIA", "TOE",
        "TSPINE",
    }
)  # fmt: skip
