"""From a listing to a checked cohort: `read` opens images, `splits` divides subjects, `inspect` says what is odd."""
