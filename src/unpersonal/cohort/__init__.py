"""From a listing to a checked cohort: `read` opens every image, `splits` divides subjects, `inspect` says what is odd."""
