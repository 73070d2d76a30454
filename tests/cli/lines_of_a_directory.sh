mkdir d; r1-complete --jsonl d; echo $?; r1-complete --json --files-from d; echo $?; r1-complete --jsonl none; echo $?
