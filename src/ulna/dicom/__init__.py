"""Reading DICOM radiographs (CR, DX and RG objects), following the steps of PS3.3."""
