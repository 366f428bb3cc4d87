"""DICOM radiographs: reading, in the standard's order."""
