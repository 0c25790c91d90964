"""Who is in this picture: matchers say whether a picture shows a person of a gallery, and how sure that is."""
