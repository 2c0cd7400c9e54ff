"""What must be fast, measured against a floor and against what a user would write instead."""
