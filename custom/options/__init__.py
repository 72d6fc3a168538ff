"""What users may give: kinds of values, the options of configs and commands, and the gate that all of them pass."""
