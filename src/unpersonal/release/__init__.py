"""The only folder that leaves the building: policy, bundle with evidence and card, verification."""
