"""From bytes to pictures: archives, decoding of rasters, DICOM and NIfTI, preprocessing, and the store of images."""
