"""Images to feature vectors, and feature vectors blended into conditions."""
