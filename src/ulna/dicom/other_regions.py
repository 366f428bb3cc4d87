"""What DICOM and collections call the regions that are not of the upper extremity."""

from __future__ import annotations

# DICOM's other body parts (PS3.16 Annex L) and what collections call them: no radiograph of
# these is one of the upper extremity.
OTHER_REGIONS = frozenset(
    {
        "ABDOMEN", "ANKLE", "CALCANEUS", "CHEST", "CSPINE", "FEMUR", "FIBULA", "FOOT",
        "HEAD", "HIP", "HIP_LEG", "JAW", "KNEE", "LEG", "LSPINE", "NECK", "OTHER",
        "PATELLA", "PELVIS", "RIB", "SKULL", "SPINE", "STERNUM", "THIGH", "TIBIA", "TOE",
        "TSPINE",
    }
)  # fmt: skip
