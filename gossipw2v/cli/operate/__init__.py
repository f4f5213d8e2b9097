"""What an operator types: doctor, config, members, leave, top, completion, man."""
