"""From bytes to pictures: archives, decoding of rasters, DICOM and NIfTI, preprocessing, the store of prepared images."""
