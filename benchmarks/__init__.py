"""One file per measured claim; each prints ratios of things measured side by side in one run."""
