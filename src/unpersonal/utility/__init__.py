"""Train on synthetic, test on real: what a recipient loses, and the generative metrics of the release."""
