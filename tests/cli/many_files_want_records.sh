printf a >a; r1-complete a a
