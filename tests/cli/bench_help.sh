r1-bench --help
