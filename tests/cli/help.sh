r1-complete --help
