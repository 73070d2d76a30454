r1-bench --version | sed 's/([0-9a-f]*)/(COMMIT)/'; r1-bench -qV; r1-bench --version --json | jq -r .tool
