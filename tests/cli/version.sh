r1-complete -qV
r1-complete -V | sed 's/([0-9a-z]*)/(COMMIT)/'
r1-complete --version --json | sed 's/"commit":"[0-9a-z]*"/"commit":"COMMIT"/'
