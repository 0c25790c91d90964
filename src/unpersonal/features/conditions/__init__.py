"""What a condition may be made of: one module each, with an object `CONDITION` (see `features.base.ConditionPart`)."""
