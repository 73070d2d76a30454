r1-complete --suffi x
