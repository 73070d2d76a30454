r1-complete --bogus
